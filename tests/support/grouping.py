"""Which tests run in one process, and which of these begin: what shares something costly stays together."""

from __future__ import annotations

SHARED = {
    "rehearsal/test_demo": "demo",
    "rehearsal/test_small_root": "small root",
    "rehearsal/test_apply_killed": "apply killed",
    "rehearsal/test_awkward_aws": "changed stack",
    "rehearsal/test_backups": "backups and sessions",
    "rehearsal/test_data_stores": "backups and sessions",
    "rehearsal/test_sessions": "backups and sessions",
    "rehearsal/test_deploy_workflow": "deploy workflow",
    "rehearsal/test_infrastructure": "infrastructure of the stack",
    "rehearsal/test_maintenance": "maintenance",
    "rehearsal/test_releases": "releases",
    "rehearsal/test_scale": "releases",
    "rehearsal/test_workflow_from_nothing": "from nothing",
    "rehearsal/test_credentials": "credentials",
    "rehearsal/test_weekly": "credentials",
    "rehearsal/test_runbook": "broken from outside",
    "rehearsal/outside/": "broken from outside",
    "rehearsal/test_respond": "broken from outside",
    "rehearsal/": "stack",
    "contract/test_infrastructure_terraform": "terraform tests",
    "contract/test_infrastructure": "infrastructure",
    "contract/test_runbook": "infrastructure",
}
"""Beginnings of paths below a folder of tests, the first that fits, to the group that runs in one process.
Others: one a file."""

FIRST = ("stack", "small root", "terraform tests", "demo")
"""The groups that begin: the first applies the stack, of which others start copies; the next ones don't want it, so
that no process waits for it."""


def place_of(nodeid: str) -> str:
    """``rehearsal/test_demo`` of ``packages/omc/tests/rehearsal/test_demo.py::test_it``."""
    return nodeid.partition("::")[0].rpartition("tests/")[2].removesuffix(".py")


def group_of(nodeid: str) -> str:
    place = place_of(nodeid)
    return next((group for start, group in SHARED.items() if place.startswith(start)), place)
