"""What each tool takes: types that give the JSON Schema which clients see, and by which what they send is read.

Strict: an unknown name, a missing one or a value of another type is refused with one sentence, and nothing is asked of
AWS.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar

from msgspec import Meta, Struct, ValidationError, convert
from msgspec.json import schema_components

from omc.errors import WrongUse, did_you_mean
from omc.logs.model import Span

MAX_TEXT = 200
"""Characters of any one text."""
_LENGTH = r"^[0-9]{1,4}[mhd]$"
Env = Annotated[str, Meta(description="The environment to read.", max_length=MAX_TEXT)]
Since = Annotated[str, Meta(description="How far to look back: 45m, 24h, 7d.", pattern=_LENGTH)]
Service = Annotated[str, Meta(description="Only this service; empty: all of them.", max_length=MAX_TEXT)]
Count = Annotated[int, Meta(ge=0, le=5000)]
Most = Annotated[int, Meta(description="How many, newest first.", ge=1, le=100)]
Images = Annotated[
    dict[Annotated[str, Meta(max_length=MAX_TEXT)], Annotated[str, Meta(max_length=MAX_TEXT)]],
    Meta(description="By service: a digest (sha256:…), repository@digest or a tag.", max_length=20),
]
Services = Annotated[
    list[Annotated[str, Meta(max_length=MAX_TEXT)]],
    Meta(description="These services; none named: all.", max_length=20),
]
Taken = TypeVar("Taken", bound="Arguments")


class Arguments(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of every tool."""

    env: Env


class Morning(Arguments, frozen=True, kw_only=True):
    since: Since = "24h"
    service: Service = ""


class Diagnose(Arguments, frozen=True, kw_only=True):
    symptom: Annotated[
        str,
        Meta(
            description="Narrows it: an issue of the runbook (tasks-restarting, users, dependency, database, redis, "
            "errors, unhealthy, cpu, cache-hit-rate, nat-costs), an alarm, or a place that the morning check names. "
            "Empty: whatever is wrong.",
            max_length=MAX_TEXT,
        ),
    ] = ""
    since: Since = "1h"
    at: Annotated[
        str,
        Meta(description="A moment in the past with its offset, 2026-11-30T03:10+11:00. Empty: now.", max_length=40),
    ] = ""


class Weekly(Arguments, frozen=True, kw_only=True):
    part: Literal["all", "costs", "security", "performance"] = "all"
    since: Since = "7d"


class LogErrors(Arguments, frozen=True, kw_only=True):
    since: Since = "24h"
    service: Service = ""
    only_new: Annotated[bool, Meta(description="Only what came with the last deployment.")] = False


class LogQuery(Arguments, frozen=True, kw_only=True):
    name: Annotated[str, Meta(description="The saved query's name.", max_length=MAX_TEXT)]
    since: Since = "1h"
    service: Service = ""


class Listing(Arguments, frozen=True, kw_only=True):
    most: Most = 15


class OneRun(Arguments, frozen=True, kw_only=True):
    run: Annotated[str, Meta(description="The run's id, or its beginning.", min_length=1, max_length=40)]


class Incidents(Arguments, frozen=True, kw_only=True):
    state: Literal["open", "all"] = "open"
    most: Most = 20


class OneIncident(Arguments, frozen=True, kw_only=True):
    number: Annotated[int, Meta(description="The incident's number.", ge=1, le=2**31 - 1)]


class Alerts(Arguments, frozen=True, kw_only=True):
    state: Literal["firing", "all"] = "firing"
    most: Most = 50


class PlanDeploy(Arguments, frozen=True, kw_only=True):
    images: Images = {}
    force_new: Services = []


class PlanScale(Arguments, frozen=True, kw_only=True):
    service: Annotated[str, Meta(description="The service to scale.", min_length=1, max_length=MAX_TEXT)]
    count: Count | None = None
    minimum: Count | None = None
    maximum: Count | None = None


class PlanRollback(Arguments, frozen=True, kw_only=True):
    services: Services = []
    to: Annotated[
        str,
        Meta(description="This revision (7, or family:7); empty: the last verified release.", max_length=MAX_TEXT),
    ] = ""


def schema_of(kind: type[Arguments], allowed: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The JSON Schema of a tool's arguments; ``allowed``: the values of a field that only this server knows."""
    (_,), components = schema_components([kind], ref_template="#/$defs/{name}")
    schema: dict[str, Any] = dict(components[kind.__name__])
    schema.pop("title", None)
    fields = schema["properties"]
    schema["properties"] = {
        name: field | ({"enum": list(allowed[name])} if name in allowed else {}) for name, field in fields.items()
    }
    return schema


def taken(kind: type[Taken], given: Mapping[str, Any] | None, allowed: Mapping[str, Sequence[str]]) -> Taken:
    """What a client sent, as the tool's own type. ``WrongUse`` with one sentence."""
    try:
        found = convert(dict(given or {}), kind, strict=True)
    except ValidationError as error:
        raise WrongUse(_sentence(str(error))) from error
    for name, values in allowed.items():
        value = getattr(found, name, None)
        if value is not None and value not in values:
            hint = did_you_mean(value, list(values))
            raise WrongUse(f'{name} is "{value}"; this server knows {", ".join(values)}.{hint}')
    return found


def _sentence(problem: str) -> str:
    """msgspec's words as a sentence: ``Expected `int`, got `str` - at `$.number```."""
    what, _, where = problem.partition(" - at ")
    name = re.sub(r"^`\$\.?|`$", "", where)
    text = what.replace("`", '"').replace("Object contains unknown field", "There is no argument")
    text = text.replace("Object missing required field", "This argument is missing:")
    if name:
        return f"{name} is not valid: {text[:1].lower()}{text[1:]}."
    return f"{text}."


def length_of(text: str, most: timedelta) -> timedelta:
    """``45m``, ``24h``, ``7d``, at most ``most``."""
    unit = {"m": "minutes", "h": "hours", "d": "days"}[text[-1]]
    length = timedelta(**{unit: int(text[:-1])})
    if not timedelta(0) < length <= most:
        raise WrongUse(f"since is {text}; here it may be up to {most.days}d, and not nothing.")
    return length


def moment_of(text: str, now: datetime) -> datetime | None:
    """A moment in the past; None for an empty text."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise WrongUse(f'at is "{text}", which is not a time with its offset, such as 2026-11-30T18:00+11:00.')
    if moment > now:
        raise WrongUse("at is a moment in the past.")
    return moment


def span_of(since: str, most: timedelta, now: datetime) -> Span:
    return Span(now - length_of(since, most), now)
