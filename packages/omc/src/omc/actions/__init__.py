"""Actions: the only code that changes anything. A module per AWS service; what an action is, is in ``action``."""
