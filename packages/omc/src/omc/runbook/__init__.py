"""The runbook's sections, with today's values in their commands.

Its chapters are docs/runbook, which the package brings.
"""
