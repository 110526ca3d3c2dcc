"""What the load balancers say of target groups. They only tell what their own probes found, so asking is quick."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from localcloud.core.interfaces import TargetGroups

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

log = logging.getLogger(__name__)

States = dict[str, dict[tuple[str, int], tuple[str, str]]]
"""By target group: (address, port) → (state, description)."""


def states(cloud: Cloud, groups: Iterable[str]) -> States:
    """The targets of these groups. A group that can't be read has none: it may be deleted already."""
    if not cloud.has(TargetGroups):
        return {}
    balancers = cloud.part(TargetGroups)
    found: States = {}
    for group in groups:
        try:
            targets = balancers.health(group)
        except Exception as error:  # noqa: BLE001 (whatever is wrong with one group must not hide the others)
            log.info("target group %s can't be read: %s", group, error)
            targets = []
        found[group] = {(t.address, t.port): (t.state, t.description or "") for t in targets}
    return found
