"""What the keys of omc.toml must satisfy together: the mistakes that the type of a single key can't catch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from omc.config.environment_tables import EnvironmentTable
from omc.config.mistakes import shown
from omc.config.people import canonical_name
from omc.config.tables import OnCall, PersonTable, StackTable
from omc.config.toml_lines import Path as KeyPath
from omc.errors import did_you_mean

Problem = tuple[KeyPath, str]
"""Where, and the rest of the sentence."""


def problems(stack: StackTable) -> Iterator[Problem]:
    """All that is wrong, in the order in which it is worth saying."""
    yield from _names(stack)
    for name, environment in stack.environments.items():
        yield from ((("environments", name, *path), problem) for path, problem in _environment(environment))
    for name, service in stack.services.items():
        if service.minimum > service.maximum:
            message = f"is {service.minimum}, more than maximum, which is {service.maximum}."
            yield ("services", name, "minimum"), message
    thresholds = stack.thresholds
    if thresholds.error_minutes > thresholds.error_minutes_of:
        yield ("thresholds", "error_minutes"), f"is more than error_minutes_of, {thresholds.error_minutes_of}."
    yield from ((("on_call", *path), problem) for path, problem in _on_call(stack.on_call))
    yield from ((("people", *path), problem) for path, problem in _people(stack.people))
    if stack.store.url and re.match(r"[a-z]+://[^/@]*:[^/@]*@|[^?]*\?.*\bpassword=", stack.store.url):
        message = "contains a password; put that in PGPASSWORD, ~/.pgpass or OMC_STORE_URL instead."
        yield ("store", "url"), message


def _names(stack: StackTable) -> Iterator[Problem]:
    choices = list(stack.environments)
    try:
        ZoneInfo(stack.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield ("time_zone",), f"is {shown(stack.time_zone)}; it must be a time zone such as Australia/Sydney."
    default = stack.default_environment
    if default is not None and default not in choices:
        near = did_you_mean(default, choices)
        yield ("default_environment",), f"is {shown(default)}; it must be one of {', '.join(choices)}.{near}"
    for name in stack.approvals:
        if name not in choices:
            near = did_you_mean(name, choices)
            yield ("approvals", name), f"is not an environment; there are {', '.join(choices)}.{near}"


def _environment(environment: EnvironmentTable) -> Iterator[Problem]:
    if environment.url is not None and not _is_sound(environment.url):
        allowed = "a URL with a host and no login, https://app.example.com"
        yield ("url",), f"is not a valid address; it must be {allowed}."
    window = environment.maintenance_window
    if window and window.start == window.end:
        yield ("maintenance_window", "end"), "is the same as start; a window needs a length."
    for number, freeze in enumerate(environment.freeze or ()):
        if freeze.end <= freeze.begin:
            yield ("freeze", number, "end"), "is not after begin."


def _is_sound(url: str) -> bool:
    """An address of users, so without a login."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        return False


def _on_call(on_call: OnCall) -> Iterator[Problem]:
    if on_call.chain[0].after_minutes != 0:
        yield ("chain", 0, "after_minutes"), "must be 0: the first is paged at once."
    for number, (earlier, later) in enumerate(pairwise(on_call.chain), start=1):
        if later.after_minutes <= earlier.after_minutes:
            message = f"is {later.after_minutes}, not later than {earlier.role}'s."
            yield ("chain", number, "after_minutes"), message
    last = on_call.chain[-1]
    if on_call.everyone_again_after_minutes <= last.after_minutes:
        message = f"is {on_call.everyone_again_after_minutes}, not later than {last.role}'s."
        yield ("everyone_again_after_minutes",), message
    begin, end = on_call.business_hours
    if begin >= end:
        yield ("business_hours",), "must end later on the day than it begins."


def _people(people: dict[str, PersonTable]) -> Iterator[Problem]:
    """Each name belongs to one person: a name that two have would let one of them approve twice."""
    owners: dict[tuple[str, str], str] = {}
    for person, table in people.items():
        if not table.aws and not table.github:
            yield (person,), 'is empty; it needs aws = ["…"], github = ["…"] or both.'
        for door, names in (("aws", table.aws), ("github", table.github)):
            for name in names:
                owner = owners.setdefault((door, canonical_name(name)), person)
                if owner != person:
                    yield (person, door), f"has {shown(name)}, which already belongs to {owner}."
