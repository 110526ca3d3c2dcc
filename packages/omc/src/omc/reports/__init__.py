"""One run of a set of checks, and what it says as a whole. The command line shows it; releases and incidents use it."""

from omc.reports.about import about
from omc.reports.examine import examine, morning, of_environments
from omc.reports.report import Report

__all__ = ["Report", "about", "examine", "morning", "of_environments"]
