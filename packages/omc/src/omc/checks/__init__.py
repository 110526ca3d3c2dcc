"""Judgement: facts in, findings out. Pure, so a check's test is a call with plain values.

``finding`` holds the values, ``judge`` gives each check the facts that it names; each other module is a subject.
"""
