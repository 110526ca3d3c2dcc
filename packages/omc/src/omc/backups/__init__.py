"""Backups of the database: what there is, whether it can be restored, and restoring it."""
