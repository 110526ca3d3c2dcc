"""Causes at a service's own settings, and at servers that are neither the database nor the cache: a name that can't be
resolved, a store that is looked for where it isn't, an exchange that refuses or doesn't answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from omc.checks.causes.heard import LoggedError, heard, is_about, is_elsewhere, still
from omc.checks.causes.model import Cause, Situation, reading_of
from omc.checks.causes.tasks import TEXTS, variable_of
from omc.checks.causes.words import Kind
from omc.checks.finding import Evidence, Finding, Level, Procedure
from omc.checks.runbook import DEPENDENCY_DOWN, DEPLOYMENTS
from omc.facts.followup.last_words import LastWords
from omc.facts.logs import RecentErrors
from omc.facts.services import EcsService, Services

UNREACHED = (Kind.HOST, Kind.REFUSED, Kind.TIMEOUT, Kind.RESET, Kind.CERTIFICATE)
_HOST = r"\w*_?(?:HOST|SERVER|ENDPOINT|ADDRESS)\w*"
HOST_VARIABLES = {
    "database": re.compile(rf"(?:POSTGRES|PG|DB|DATABASE|RDS){_HOST}", re.IGNORECASE),
    "cache": re.compile(rf"(?:REDIS|VALKEY|CACHE){_HOST}", re.IGNORECASE),
}
PORT_VARIABLES = {
    "database": re.compile(r"(?:POSTGRES|PG|DB|DATABASE)\w*_?PORT", re.IGNORECASE),
    "cache": re.compile(r"(?:REDIS|VALKEY|CACHE)\w*_?PORT", re.IGNORECASE),
}
"""Names of variables that say where a store is."""


def misdirected(situation: Situation) -> Iterator[Cause]:
    """A service that looks for the database or the cache where it isn't. Only if one of them is reported to be missing:
    another name may lead to the same server."""
    services, words = situation.fact(Services), situation.fact(LastWords)
    everything = [each for each in heard(situation) if each.message.kind in UNREACHED]
    for service in services.services if services else ():
        revision_told = words.revisions.get(service.task_definition) if words else None
        for kind in ("database", "cache") if revision_told else ():
            store = getattr(situation.stores, kind)
            logged_errors = [each for each in everything if each.service == service.name]
            missed = [
                each for each in logged_errors if is_about(store, kind, each.message) or each.message.kind is Kind.HOST
            ]
            ill = [each for each in situation.findings if each.place == kind and each.level in (Level.WARN, Level.FAIL)]
            if not store.host or not (missed or ill):
                continue
            for container, variables in revision_told.variables.items() if revision_told else ():
                wrong = _wrong(kind, variables, store.host, store.port)
                if wrong and _concerns(wrong[1], missed, ill):
                    yield _misdirected(situation, service, kind, container, wrong, missed)


def _wrong(kind: str, variables: Mapping[str, str], host: str, port: int) -> tuple[str, str, str] | None:
    """(variable, what it says, what is right) of the first that leads elsewhere."""
    for name, value in variables.items():
        if HOST_VARIABLES[kind].fullmatch(name) and value and value != host:
            return name, value, host
    for name, value in variables.items():
        if PORT_VARIABLES[kind].fullmatch(name) and value.isdigit() and port and int(value) != port:
            return name, value, str(port)
    return None


def _concerns(value: str, missed: Sequence[LoggedError], ill: Sequence[Finding]) -> bool:
    """Where services name the server that they miss, it is this one; where they name none, a status page misses it."""
    named = [each for each in missed if each.message.host]
    if named:
        return any(value in (each.message.host, str(each.message.port)) for each in named)
    return bool(missed or ill)


def _misdirected(
    situation: Situation,
    service: EcsService,
    kind: str,
    container: str,
    wrong: tuple[str, str, str],
    logged_errors: Sequence[LoggedError],
) -> Cause:
    name, value, right = wrong
    mine = [each for each in logged_errors if value in (each.message.host, str(each.message.port))] or list(
        logged_errors
    )
    unresolved = any(each.message.kind is Kind.HOST for each in mine)
    how = f"it could not resolve host {value}" if unresolved else f"it looks for it at {value}"
    read, logged = reading_of(situation.fact(LastWords)), reading_of(situation.fact(RecentErrors))
    evidence = [
        Evidence(f"{name} of {container} in {service.task_definition} is {value}", read),
        *(Evidence(f'{service.name} says: "{each.message.line}"', logged) for each in mine[:2]),
        *situation.by_whom(situation.changed(("UpdateService", "CreateService"), service.task_definition)),
    ]
    primary = next((each for each in service.deployments if each.status == "PRIMARY"), None)
    return Cause(
        name=f"{kind}-wrong-address",
        place=kind,
        subject=service.name,
        sentence=f"{service.name} has no {kind}: {how}, which its {name} names; the {kind} is at {right}.",
        evidence=tuple(evidence),
        procedure=_back(situation, service),
        since=min((each.first for each in mine), default=primary.created if primary else None),
        services=frozenset({service.name}),
        about=(service.name, str(Kind.HOST), value),
    )


def misnamed(situation: Situation) -> Iterator[Cause]:
    """A service that asks the database's server for a database that isn't there."""
    services, words = situation.fact(Services), situation.fact(LastWords)
    reading = reading_of(situation.fact(RecentErrors))
    known = {service.name: service for service in services.services} if services else {}
    for each in still(situation, heard(situation), Kind.NAME):
        service, name = known.get(each.service), each.message.what
        if service is None:
            continue
        revisions = [one.task_definition for one in service.deployments] or [service.task_definition]
        records = [
            (revision, words.revisions[revision]) for revision in revisions if words and revision in words.revisions
        ]
        settings = [
            (revision, variable, value)
            for revision, one in records
            for variables in one.variables.values()
            for variable, value in variables.items()
        ]
        named = next(((revision, variable) for revision, variable, value in settings if value == name), ("", ""))
        says = f", which {named[1]} of {named[0]} says" if named[1] else ""
        others = [
            f"{variable} of {revision} is {value}"
            for revision, variable, value in settings
            if variable == named[1] and value != name
        ]
        yield Cause(
            name="database-wrong-name",
            place="database",
            subject=service.name,
            sentence=f'{service.name} asks for a database "{name}" that is not there{says}.',
            evidence=(
                Evidence(f'{service.name} says: "{each.message.line}"', reading),
                *(Evidence(text, reading_of(words)) for text in others[:1]),
                *situation.by_whom(situation.changed(("UpdateService", "CreateService"), *revisions)),
            ),
            procedure=_back(situation, service),
            since=each.first,
            services=frozenset({service.name}),
            about=(service.name, str(Kind.NAME), name),
        )


def _back(situation: Situation, service: EcsService) -> Procedure:
    return replace(DEPLOYMENTS, command=f"omc rollback --env {situation.environment.name} {service.name}")


def unreached(situation: Situation) -> Iterator[Cause]:
    """What services say that they don't reach now, and that is neither the database nor the cache."""
    groups: dict[tuple[str, Kind, str], list[LoggedError]] = {}
    for each in still(situation, heard(situation), *UNREACHED):
        server = each.message.host or each.message.what
        stores = [(kind, getattr(situation.stores, kind)) for kind in ("database", "cache")]
        is_a_store = any(
            is_about(store, kind, each.message) and not is_elsewhere(store, each.message) for kind, store in stores
        )
        if each.message.kind is Kind.HOST or (server and not is_a_store):
            groups.setdefault((each.service, each.message.kind, server), []).append(each)
    found = [_unreached(situation, service, kind, server, some) for (service, kind, server), some in groups.items()]
    of_server: dict[tuple[str, ...], list[Cause]] = {}
    for cause in found:
        is_service = cause.place.startswith("services/")
        of_server.setdefault((cause.place, *(cause.about if is_service else cause.about[1:])), []).append(cause)
    for alike in of_server.values():
        yield _one_server(alike)


def _one_server(alike: Sequence[Cause]) -> Cause:
    """A server that several services miss is one cause."""
    if len(alike) == 1:
        return alike[0]
    first = alike[0]
    names = frozenset[str]().union(*(each.services or frozenset() for each in alike))
    who, others = first.about[0], " and ".join(sorted(names - {first.about[0]}))
    return replace(
        first,
        sentence=f"{first.sentence.rstrip('.')}; so does {others}." if who else first.sentence,
        evidence=tuple(one for each in alike for one in each.evidence),
        since=min((each.since for each in alike if each.since), default=None),
        services=names or None,
        heard=max((each.heard for each in alike if each.heard), default=None),
    )


def _unreached(situation: Situation, service: str, kind: Kind, server: str, some: Sequence[LoggedError]) -> Cause:
    first = some[0].message
    variable = variable_of(situation, server) if server else ""
    named = f", which {variable} names" if variable else ""
    if kind is Kind.HOST:
        stores = [(kind, getattr(situation.stores, kind)) for kind in ("database", "cache")]
        mine = [
            f"the {kind} is at {store.host}" for kind, store in stores if store.host and is_about(store, kind, first)
        ]
        right = mine[0] if mine else ""
        sentence = f"{service} could not resolve host {server}{named}{f'; {right}' if right else ''}."
        sentence = sentence if server else f"{service}: {first.line}."
    else:
        address = f"{server}:{first.port}" if first.port else server
        sentence = f"{service} can't use a server: {TEXTS[kind].format(server=address, what='')}{named}."
    place, reading = _place(situation, some[0]), reading_of(situation.fact(RecentErrors))
    times = [f'{service} says: "{each.message.line}", {each.count} times' for each in some[:3]]
    return Cause(
        name=f"server-{kind}",
        place=place,
        subject=place.rpartition("/")[2],
        sentence=sentence,
        evidence=tuple(Evidence(text, reading) for text in times),
        procedure=DEPENDENCY_DOWN,
        since=min(each.first for each in some),
        services=frozenset({service}) if service else None,
        is_direct=False,
        heard=max(each.last for each in some),
        about=(service, str(kind), server),
    )


def _place(situation: Situation, heard: LoggedError) -> str:
    """That of a store that the line is about or a dependency that it names, where a status page finds it ill; else the
    service's own."""
    for finding in situation.findings:
        known = finding.place and "/" not in finding.place and finding.check == "dependencies"
        store = getattr(situation.stores, finding.place, None) if finding.place in ("database", "cache") else None
        is_its = store is not None and is_about(store, finding.place, heard.message)
        is_named = is_its or finding.place.lower() in heard.message.line.lower()
        if known and finding.level in (Level.WARN, Level.FAIL) and is_named:
            return finding.place
    return f"services/{heard.service}"
