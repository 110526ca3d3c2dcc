"""The faults of the local cloud, asked for over its private page ``/_localcloud/stack-faults``."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from omc.errors import Unreachable, WrongUse, did_you_mean
from omc.local.cloud import LocalCloudError

if TYPE_CHECKING:
    from omc.local.cloud import LocalEndpoint

TIMEOUT = 180.0
"""Seconds: a start or stop answers when it is done, and some deploy something first."""
WRONG_USE = frozenset({"NoSuchFault", "ValidationError"})


@dataclass(frozen=True, slots=True)
class Setting:
    """What may be chosen with ``--set``."""

    default: str
    help: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of the cloud's catalogue, and whether it is in force."""

    name: str
    injected: str
    symptom: str
    settings: Mapping[str, Setting]
    since: str = ""
    """ISO 8601, UTC; empty where it isn't in force."""
    chosen: Mapping[str, str] = field(default_factory=dict)
    """The settings it was started with."""
    problem: str = ""
    """Why the cloud could not keep it up or stop it."""

    @property
    def in_force(self) -> bool:
        return bool(self.since)


def listed(reach: LocalEndpoint) -> Sequence[Fault]:
    """Every fault, by name."""
    return [_fault(payload) for payload in _ask(reach, None)["faults"]]


def start(reach: LocalEndpoint, name: str, settings: Mapping[str, str]) -> Fault:
    """Start one and return it as it is in force; ``WrongUse`` for a name or setting that doesn't exist."""
    known = {fault.name: fault for fault in listed(reach)}
    fault = _known(known, name)
    for key in settings:
        if key not in fault.settings:
            its = f"Its settings: {', '.join(fault.settings)}." if fault.settings else "It has none."
            raise WrongUse(f'The fault {name} has no setting "{key}".{did_you_mean(key, list(fault.settings))} {its}')
    payload = _ask(reach, {"start": name, "settings": dict(settings)})
    return Fault(name, fault.injected, fault.symptom, fault.settings, payload["since"], payload["settings"])


def stop(reach: LocalEndpoint, name: str) -> bool:
    """Stop one; False where it wasn't in force."""
    _known({fault.name: fault for fault in listed(reach)}, name)
    return bool(_ask(reach, {"stop": name})["was_in_force"])


def _known(known: Mapping[str, Fault], name: str) -> Fault:
    if name not in known:
        raise WrongUse(
            f'There is no fault "{name}".{did_you_mean(name, list(known))} All of them: omc local fault list'
        )
    return known[name]


def _fault(record: Mapping[str, Any]) -> Fault:
    settings = {key: Setting(it["default"], it["help"]) for key, it in record["settings"].items()}
    state = record["in_force"] or {"since": "", "settings": {}, "problem": ""}
    return Fault(
        *(record["name"], record["injected"], record["symptom"], settings),
        *(state["since"], state["settings"], state["problem"]),
    )


def _ask(reach: LocalEndpoint, body: Mapping[str, Any] | None) -> Any:
    request = urllib.request.Request(  # noqa: S310 — the cloud's own endpoint
        f"{reach.endpoint}/_localcloud/stack-faults",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "X-Localcloud-Token": reach.token},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refused:
        record = _sentence(refused)
        raise (WrongUse if record["__type"] in WRONG_USE else LocalCloudError)(record["message"]) from refused
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise Unreachable(
            f"The local cloud at {reach.endpoint} doesn't answer ({reason}). Start it: omc local up"
        ) from error


def _sentence(refused: urllib.error.HTTPError) -> Mapping[str, str]:
    try:
        payload = json.load(refused)
        return {"__type": payload["__type"], "message": payload["message"]}
    except (ValueError, KeyError):
        return {"__type": "", "message": f"The local cloud answered {refused.code} {refused.reason}."}
