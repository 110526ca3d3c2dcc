"""How the tests are spread over processes: what shares something costly stays together, and the longest begin."""

from __future__ import annotations

import pytest

SHARED = {
    "rehearsal/test_demo": "demo",
    "rehearsal/test_apply_killed": "apply killed",
    "rehearsal/test_deploy_workflow": "changed stack",
    "rehearsal/test_infrastructure": "changed stack",
    "rehearsal/test_releases": "changed stack",
    "rehearsal/test_scale": "changed stack",
    "rehearsal/": "stack",
    "contract/test_infrastructure_terraform": "terraform tests",
    "contract/test_infrastructure": "infrastructure",
    "contract/test_runbook": "infrastructure",
}
"""Beginnings of paths below tests/, first match, to the group that runs in one process. Others: a group a file."""

FRESH = ("rehearsal/test_morning",)
"""Rehearsals that want a stack in which nothing has failed within the hour: first in their group."""

LONGEST = (
    "changed stack",
    "stack",
    "localcloud/test_terraform",
    "terraform tests",
    "demo",
    "apply killed",
    "killsweep/test_kill_sweep",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    root = config.rootpath / "tests"
    groups: dict[pytest.Item, str] = {}
    places: dict[pytest.Item, str] = {}
    for item in items:
        place = places[item] = item.path.relative_to(root).with_suffix("").as_posix()
        groups[item] = next((group for start, group in SHARED.items() if place.startswith(start)), place)
        item.add_marker(pytest.mark.xdist_group(groups[item]))

    def order(item: pytest.Item) -> tuple[int, bool]:
        group = groups[item]
        return LONGEST.index(group) if group in LONGEST else len(LONGEST), places[item] not in FRESH

    items.sort(key=order)
