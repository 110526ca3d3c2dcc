"""Procedures: pure functions from facts and what was asked to a plan. One module per procedure of the runbook.

No AWS, no database, no clock here: what a procedure needs is a parameter, read by ``omc.facts``; what it wants done is
a step of the plan, performed by ``omc.actions`` through ``omc.engine``.
"""
