"""One cause, one finding: what several checks saw of one trouble becomes one answer, with the rest as its evidence.

``follow_up`` says what is worth reading now that something is wrong; ``explained`` folds findings into causes. Both are
pure. A healthy stack has nothing to follow up and nothing to explain.
"""

from omc.checks.causes.explain import explained
from omc.checks.causes.questions import follow_up

__all__ = ["explained", "follow_up"]
