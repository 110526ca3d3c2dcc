"""The store: what omc keeps of its own, in PostgreSQL."""
