"""The page that takes a described month: ``POST /_localcloud/seed``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from localcloud.core.addresses import write_private
from localcloud.core.profiles import FULL
from localcloud.core.registry import AwsError, PageRequest, page
from localcloud.history.plan import plan, wrong
from localcloud.history.writing import write
from localcloud.services.costs import Costs

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

SEEDED = "seeded.json"
"""In the state folder: what was seeded. A second month on top of the first would be neither."""


@page("seed")
def seed_page(cloud: Cloud, request: PageRequest) -> dict[str, Any]:
    """What was seeded; POST seeds it, once in the life of a state folder."""
    place = cloud.settings.state / SEEDED
    seeded: dict[str, Any] = json.loads(place.read_text()) if place.exists() else {}
    if request.method != "POST":
        return seeded
    if seeded:
        raise AwsError("InvalidStateException", "This cloud has been given its month already; `reset` makes a new one.")
    if not cloud.has(Costs):
        raise AwsError("InvalidStateException", f"A month takes all services: start a cloud with --profile {FULL}.")
    try:
        described = json.loads(request.body)
    except ValueError as problem:
        raise wrong(f"it is a JSON object: {problem}") from problem
    if not isinstance(described, dict):
        raise wrong("it is a JSON object")
    answer = write(cloud, plan(described, cloud.now()))
    write_private(place, answer)
    return answer
