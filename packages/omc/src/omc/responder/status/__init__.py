"""What customers are told: the status of an environment as anybody may read it, and whoever has it sent to them.

Only what a person wrote for customers comes here (``UpdateSent`` with a phase). An incident's summary, notes, names,
alerts and numbers don't.
"""
