"""Scenarios of literal facts with their true cause and true path, and how well a diagnosis finds them.

``make bench-diagnosis`` prints the table and writes docs/diagnosis-scores.md. No cloud is started: a world of plain
values is broken, the morning check's own checks judge it, and the diagnosis reads what it asks for. A third of
the scenarios, chosen by a hash of their names, is held out: rules are tuned without a look at them.
"""
