"""The page on which faults are started and stopped: ``/_localcloud/stack-faults``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from localcloud.core.registry import AwsError, PageRequest, page
from localcloud.faults.component import StackFaults

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


@page("stack-faults")
def stack_faults_page(cloud: Cloud, request: PageRequest) -> dict[str, Any]:
    """Every fault; POST ``{"start": name, "settings": {…}}`` or ``{"stop": name}`` starts or stops one."""
    stack_faults = cloud.part(StackFaults)
    return _change(stack_faults, request.body) if request.method == "POST" else {"faults": stack_faults.listed()}


def _change(stack_faults: StackFaults, body: bytes) -> dict[str, Any]:
    """Start or stop one fault, as the request's JSON says. Answers once it is so, which may take seconds."""
    try:
        wanted = json.loads(body)
    except ValueError as problem:
        raise AwsError("ValidationError", f"What to do with a fault is a JSON object: {problem}.") from problem
    match wanted:
        case {"start": str(name), "settings": {**settings}} if len(wanted) == 2:
            return {"started": name, **stack_faults.begin(name, {str(key): it for key, it in settings.items()})}
        case {"start": str(name)} if len(wanted) == 1:
            return {"started": name, **stack_faults.begin(name, {})}
        case {"stop": str(name)} if len(wanted) == 1:
            return {"stopped": name, "was_in_force": stack_faults.end(name)}
        case _:
            wanted_is = '{"start": name, "settings": {…}} or {"stop": name}'
            raise AwsError("ValidationError", f"What to do with a fault is {wanted_is}.")
