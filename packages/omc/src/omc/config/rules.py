"""What the keys of omc.toml must satisfy together: the mistakes that the type of a single key can't catch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from omc.config.environment_tables import EnvironmentTable
from omc.config.fields import A_ZONE
from omc.config.mistakes import shown
from omc.config.names import name_problem
from omc.config.notify_tables import NotifySettings
from omc.config.oncall_rules import on_call_problems, rota_problems
from omc.config.people import canonical_name
from omc.config.review_rules import review_problems
from omc.config.server_rules import server_problems
from omc.config.service_rules import service_problems
from omc.config.status_rules import contact_problems, status_problems
from omc.config.tables import PersonTable, StackTable
from omc.config.toml_lines import Path as KeyPath
from omc.errors import did_you_mean
from omc.times import zone_named

Problem = tuple[KeyPath, str]
"""Where, and the rest of the sentence."""


def problems(stack: StackTable) -> Iterator[Problem]:
    """All that is wrong, in the order in which it is worth saying."""
    yield from _names(stack)
    for name, environment in stack.environments.items():
        yield from ((("environments", name, *path), problem) for path, problem in _environment(environment))
    yield from service_problems(stack)
    thresholds = stack.thresholds
    if thresholds.error_minutes > thresholds.error_minutes_of:
        yield ("thresholds", "error_minutes"), f"is more than error_minutes_of, {thresholds.error_minutes_of}."
    yield from ((("review", *path), problem) for path, problem in review_problems(stack.review))
    on_call = on_call_problems(stack.on_call, list(stack.people))
    yield from ((("on_call", *path), problem) for path, problem in on_call)
    yield from rota_problems(stack)
    yield from ((("people", *path), problem) for path, problem in _people(stack.people))
    yield from ((("people", *path), problem) for path, problem in _contacts(stack.people, stack.notify))
    yield from ((("notify", *path), problem) for path, problem in _notify(stack.notify, stack.people))
    server = server_problems(stack.server, stack.environments)
    yield from ((("server", *path), problem) for path, problem in server)
    yield from ((("status", *path), problem) for path, problem in status_problems(stack))
    yield from ((("contacts", *path), problem) for path, problem in contact_problems(stack))
    if stack.store.url and re.match(r"[a-z]+://[^/@]*:[^/@]*@|[^?]*\?.*\bpassword=", stack.store.url):
        message = "contains a password; put that in PGPASSWORD, ~/.pgpass or OMC_STORE_URL instead."
        yield ("store", "url"), message


def _names(stack: StackTable) -> Iterator[Problem]:
    choices = list(stack.environments)
    try:
        zone_named(stack.time_zone)
    except ValueError:
        yield ("time_zone",), f"is {shown(stack.time_zone)}; it must be {A_ZONE}."
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
    for one, other in (("database", "database_cluster"), ("cache", "cache_serverless")):
        if getattr(environment, one) and (second := getattr(environment, other)):
            yield (other,), f"is {shown(second)} beside {one}; an environment has one of the two."
    if environment.load_balancer and (problem := name_problem("load_balancer", environment.load_balancer, {})):
        yield ("load_balancer",), problem
    for number, window in enumerate(environment.window or ()):
        if window.start == window.end:
            yield ("window", number, "end"), "is the same as start; a window needs a length."
        if 0 in window.weeks:
            yield ("window", number, "weeks"), "has a 0; the month's first is 1, its last is -1."
        try:
            zone_named(window.zone)
        except ValueError:
            yield ("window", number, "zone"), f"is {shown(window.zone)}; it must be {A_ZONE}."
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


def _people(people: dict[str, PersonTable]) -> Iterator[Problem]:
    """Each name belongs to one person: a name that two have would let one of them approve twice."""
    owners: dict[tuple[str, str], str] = {}
    for person, table in people.items():
        if not table.aws and not table.github and not table.contacts:
            yield (person,), 'is empty; it needs aws = ["…"], github = ["…"], contacts = ["…"] or several of them.'
        for door, names in (("aws", table.aws), ("github", table.github)):
            for name in names:
                owner = owners.setdefault((door, canonical_name(name)), person)
                if owner != person:
                    yield (person, door), f"has {shown(name)}, which already belongs to {owner}."


def _contacts(people: dict[str, PersonTable], notify: NotifySettings) -> Iterator[Problem]:
    """What a contact names must be there: a page to it would fail at night, and nobody would know before."""
    tables = {"pagerduty": list(notify.pagerduty), "webhook": list(notify.webhook)}
    for person, table in people.items():
        for number, contact in enumerate(table.contacts):
            channel, _, name = contact.partition(":")
            if channel in tables and name not in tables[channel]:
                near = did_you_mean(name, tables[channel])
                message = f"names {shown(name)}, and there is no [notify.{channel}.{name}].{near}"
                yield (person, "contacts", number), message


def _notify(notify: NotifySettings, people: dict[str, PersonTable]) -> Iterator[Problem]:
    known = {each.lower(): each for table in people.values() for each in table.contacts}
    for number, contact in enumerate(notify.shared):
        if contact.lower() not in known:
            near = did_you_mean(contact, list(known.values()))
            yield ("shared", number), f"is {shown(contact)}, which is nobody's contact.{near}"
    email = notify.email
    if email is not None and email.security == "none":
        if email.host not in ("localhost", "127.0.0.1", "::1"):
            yield ("email", "security"), f'is "none", and {email.host} is not this machine; use "starttls" or "tls".'
        elif email.user is not None:
            yield ("email", "user"), 'would log in without TLS; leave it out, or set security to "starttls" or "tls".'
