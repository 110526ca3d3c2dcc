"""The pages under ``/_localcloud/``: what a person or a test asks of the cloud itself, and AWS has no call for.

They want the token of the state folder, and are for no browser (``origin``); except those whose addresses are signed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from localcloud.core.profiles import profile
from localcloud.core.registry import PAGES, AwsError, PageRequest, RegisteredPage, page
from localcloud.front import faults, origin
from localcloud.front.protocol import HttpAnswer, HttpRequest, plain_error

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

PATH = "/_localcloud/"


def admit(cloud: Cloud, request: HttpRequest) -> None:
    """Raises ``AwsError`` for who may not ask. Asked before the request's body is read."""
    found = _page(cloud, request)
    if found and found.signed and request.method == "GET":
        origin.require_host(cloud, request)
    else:
        origin.require_own(cloud, request)


def answer(cloud: Cloud, request: HttpRequest) -> HttpAnswer:
    """Whose request it is was judged by ``admit``.

    ``GET status``; ``GET faults`` and ``POST faults`` (a JSON list of rules, which replaces those in force;
    ``POST faults?add`` adds to them); and what services and the faults registered (``registry.page``).
    """
    found = _page(cloud, request)
    if found is None or (found.signed and request.method != "GET"):
        there = ", ".join(sorted(name for name, each in PAGES.items() if not each.signed and _is_part(cloud, each)))
        raise AwsError("NotFound", f"There is no page {request.path}; there are {there}.", 404)
    given = found.answer(cloud, PageRequest(request.method, request.path, request.query, request.body))
    if found.signed:
        return HttpAnswer(200, given, {"Content-Type": "application/octet-stream"})
    return HttpAnswer(200, json.dumps(given, default=str).encode(), {"Content-Type": "application/json"})


def refusal(cloud: Cloud, request: HttpRequest, error: AwsError) -> HttpAnswer:
    """As JSON, whatever was asked; at a signed address as S3 says it."""
    found = _page(cloud, request)
    if found and found.signed:
        return plain_error(request, error)
    body = json.dumps({"__type": error.code, "message": error.message}).encode()
    return HttpAnswer(error.status, body, {"Content-Type": "application/json"})


def _page(cloud: Cloud, request: HttpRequest) -> RegisteredPage | None:
    """A page by its name, which is the whole path; of a signed one the path goes on behind it."""
    name, slash, _ = request.path.removeprefix(PATH).partition("/")
    found = PAGES.get(name)
    return found if found and found.signed == bool(slash) and _is_part(cloud, found) else None


def _is_part(cloud: Cloud, found: RegisteredPage) -> bool:
    return profile(cloud.settings.profile).has_module(found.answer.__module__)


@page("status")
def status_page(cloud: Cloud, request: PageRequest) -> dict[str, Any]:
    if request.method != "GET":
        raise AwsError("NotFound", "The page status is read-only.", 404)
    return status(cloud)


@page("faults")
def faults_page(cloud: Cloud, request: PageRequest) -> dict[str, Any]:
    held = cloud.part(faults.Faults)
    if request.method == "POST":
        try:
            rules = json.loads(request.body)
        except ValueError as problem:
            raise AwsError("ValidationError", f"Faults are a JSON list of rules: {problem}.") from problem
        made = [faults.fault(rule) for rule in (rules if isinstance(rules, list) else [rules])]
        (held.join if request.query == "add" else held.replace)(made)
    return {"faults": held.listed(), "kinds": faults.KINDS}


def status(cloud: Cloud) -> dict[str, Any]:
    """Whether the cloud is well: its loops, and what each component says of itself (``status() -> dict``)."""
    parts = {component.name: component.status() for component in cloud.components() if hasattr(component, "status")}
    settings = cloud.settings
    return {
        "ready": not cloud.stopping.is_set(),
        "endpoint": settings.endpoint,
        "account": settings.account,
        "region": settings.region,
        "profile": settings.profile,
        "services": sorted(profile(settings.profile).loaded),
        "loops": cloud.loops(),
        "parts": parts,
    }
