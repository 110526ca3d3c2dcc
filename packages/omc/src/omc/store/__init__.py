"""The store: what omc keeps of its own, in PostgreSQL.

``location`` says where it is, ``embedded`` runs one where none is named, ``database`` opens it, ``models`` and
``migrations`` are its tables, ``audit`` the record that can be proven unbroken.
"""
