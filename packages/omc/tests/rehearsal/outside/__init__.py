"""Faults as they come: by AWS's API, SQL or a signal, never by the local cloud's own; and what the check says of each.

``tuned`` holds the stories that whoever wrote the checks knew, ``held_out`` those of somebody who hadn't seen them: a
module a file, each with a tuple ``STORIES``. ``python -m rehearsal.outside`` (``make rehearse-outside``) runs them.
"""
