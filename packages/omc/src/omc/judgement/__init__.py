"""What facts mean, where checks, plans and actions must all say the same. Pure: no AWS, no database, no clock.

Judgement that only one of them needs stays with it: in ``omc.checks``, ``omc.procedures`` or ``omc.actions``.
"""
