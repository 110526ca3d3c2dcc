"""Readings that are only worth asking for once something is wrong. Each has a budget: a slow one is left unread, and
what wasn't read is said, so that the check answers in seconds."""
