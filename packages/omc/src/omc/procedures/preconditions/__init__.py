"""What must hold before a change begins: each a pure function from a ``Situation`` to the objections that it finds.

None of them knows which command asks. What an objection means to each command is in the ``ROWS`` beside them.
"""
