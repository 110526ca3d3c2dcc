"""Faults of the stack, injected at their cause: a bad image, a real lock, a closed rule. One module per kind of cause.

What AWS itself does wrong (throttling, broken answers) is made by ``front.faults``; the faults here that are about AWS
only set its rules. Nothing here fakes a symptom: no metric, log line or state is written that nothing real caused.
"""
