"""Incidents: what happened in an environment, as append-only events, and what they come to (``model``, pure)."""
