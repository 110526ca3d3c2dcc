"""The lists of checks as one call each, with what they are given: the morning check, and ``doctor``, which looks at the
ground that omc stands on.

A report is ``omc.checks.run.Report``; here is also what is said of one as a whole (``about``, ``headline``).
"""

from omc.checks.run import Report
from omc.reports.about import about
from omc.reports.morning import morning, of_environments

__all__ = ["Report", "about", "morning", "of_environments"]
