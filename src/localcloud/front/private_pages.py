"""The pages under ``/_localcloud/``: what a person or a test asks of the cloud itself, and AWS has no call for.

They want the token of the state folder, and are for no browser (``origin``). Layers are at addresses that are signed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from localcloud.core.registry import AwsError
from localcloud.faults.component import StackFaults
from localcloud.front import faults, origin
from localcloud.front.protocol import HttpAnswer, HttpRequest, plain_error
from localcloud.services import layers
from localcloud.services.costs.component import Costs

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

PATH = "/_localcloud/"


def admit(cloud: Cloud, request: HttpRequest) -> None:
    """Raises ``AwsError`` for who may not ask. Asked before the request's body is read."""
    if request.path.startswith(layers.PATH) and request.method == "GET":
        origin.require_host(cloud, request)
    else:
        origin.require_own(cloud, request)


def answer(cloud: Cloud, request: HttpRequest) -> HttpAnswer:
    """Whose request it is was judged by ``admit``.

    ``GET status``; ``GET faults`` and ``POST faults`` (a JSON list of rules, which replaces those in force;
    ``POST faults?add`` adds to them);
    ``GET stack-faults`` and ``POST stack-faults`` (``{"start": name, "settings": {…}}`` or ``{"stop": name}``);
    ``GET costs`` and ``POST costs`` (an invented history, see ``services.costs.seeding``);
    ``GET layers/…``, at addresses that ECR gave (``services.layers``).
    """
    page = request.path.removeprefix("/_localcloud/")
    if page == "status" and request.method == "GET":
        return _json(status(cloud))
    if page == "faults" and cloud.has(faults.Faults):
        held = cloud.part(faults.Faults)
        if request.method == "POST":
            try:
                rules = json.loads(request.body)
            except ValueError as problem:
                raise AwsError("ValidationError", f"Faults are a JSON list of rules: {problem}.") from problem
            made = [faults.fault(rule) for rule in (rules if isinstance(rules, list) else [rules])]
            (held.join if request.query == "add" else held.replace)(made)
        return _json({"faults": held.listed(), "kinds": faults.KINDS})
    if page == "stack-faults" and cloud.has(StackFaults):
        stack_faults = cloud.part(StackFaults)
        return _json(_change(stack_faults, request.body) if request.method == "POST" else _every(stack_faults))
    if page == "costs" and cloud.has(Costs):
        costs = cloud.part(Costs)
        if request.method == "POST":
            costs.seed(request.body)
        return _json(costs.status())
    if request.path.startswith(layers.PATH) and request.method == "GET":
        content = layers.download(cloud, request.path, request.query)
        return HttpAnswer(200, content, {"Content-Type": "application/octet-stream"})
    raise AwsError("NotFound", f"There is no page {request.path}; there are status, faults, stack-faults, costs.", 404)


def refusal(request: HttpRequest, error: AwsError) -> HttpAnswer:
    """As JSON, whatever was asked; at a layer's address as S3 says it."""
    if request.path.startswith(layers.PATH):
        return plain_error(request, error)
    body = json.dumps({"__type": error.code, "message": error.message}).encode()
    return HttpAnswer(error.status, body, {"Content-Type": "application/json"})


def _every(stack_faults: StackFaults) -> dict[str, Any]:
    return {"faults": stack_faults.listed()}


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


def status(cloud: Cloud) -> dict[str, Any]:
    """Whether the cloud is well: its loops, and what each component says of itself (``status() -> dict``)."""
    parts = {component.name: component.status() for component in cloud.components() if hasattr(component, "status")}
    settings = cloud.settings
    return {
        "ready": not cloud.stopping.is_set(),
        "endpoint": settings.endpoint,
        "account": settings.account,
        "region": settings.region,
        "loops": cloud.loops(),
        "parts": parts,
    }


def _json(value: Any) -> HttpAnswer:
    return HttpAnswer(200, json.dumps(value, default=str).encode(), {"Content-Type": "application/json"})
