"""The engine: performs a plan step by step, journalled, approved, leased, so that it survives a crash.

``planning`` makes plans, ``journal`` is every write to the record, ``course`` the pure decisions (what is next, how it
ended), ``runner`` performs one run, ``work`` the runs and timers that are due, ``approvals`` who may let a run begin.
"""
