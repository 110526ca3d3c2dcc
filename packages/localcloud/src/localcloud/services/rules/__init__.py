"""What AWS refuses though an operation's model allows it, of services that moto answers; ours have theirs beside them.

A rule's words are AWS's where they were found in public reports or its documentation; else they are ours, under AWS's
error code. ``tests/cloud/test_refusals.py`` says which is which.
"""
