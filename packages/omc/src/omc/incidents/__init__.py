"""Incidents: what happened in an environment, as an append-only series of events, and what that comes to.

Pure: ``severities`` is the runbook's table, ``events`` what can happen, ``state`` the fold of events to an incident. No
database and no clock here; the events are kept by ``omc.store.incidents``.
"""
