"""Readings that are only worth asking for once something is wrong. Each has a budget: a slow one is left unread and
reported as unread, so that the check answers in seconds."""
