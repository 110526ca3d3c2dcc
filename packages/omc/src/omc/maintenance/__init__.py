"""Maintenance: windows, what AWS plans in them, and the run over the runbook's checklists."""
