"""Checks of who calls: callers that weren't there before, and known ones from elsewhere or with other tools."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from omc.checks.finding import Finding, Level
from omc.checks.runbook import WEEKLY_SECURITY
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.security.callers_before import CallersBefore, callers_of
from omc.facts.security.trail_event import TrailEvent
from omc.facts.security.trail_period import TrailPeriod
from omc.output.text import counted
from omc.review.security.findings import finding, listed, of_calls, tool_of, unseen, upper

ENOUGH = 5
"""Calls before, from which it is known where somebody calls from."""
ROAMING = 4
"""Networks before, from which on an address says nothing: GitHub's runners, a person who travels."""
NETWORK = {4: 16, 6: 32}
"""Bits of an address that are one provider's or one office's network, roughly."""


@check(
    "new-callers",
    title="Callers that weren't there before",
    question="Does anybody call AWS who didn't in the weeks before?",
    severity=Level.WARN,
    runbook=WEEKLY_SECURITY,
)
def new_callers(period: TrailPeriod, before: CallersBefore, environment: Environment) -> Iterator[Finding]:
    names = [name for name in callers_of(period.events) if name in before.calls]
    new = [name for name in names if not before.calls[name]]
    if names and len(new) == len(names):
        sentence = "Nothing is known from before the period, so that nobody can be told from a newcomer."
        yield finding("new-callers", Level.OK, "callers", sentence, before.reading, listed(names))
        return
    for name in new:
        events = [event for event in period.events if event.principal == name]
        did = listed(event.operation for event in events)
        from_where = listed(event.address for event in events if event.address)
        sentence = (
            f"{upper(name)} called AWS for the first time in 90 days, {counted(len(events), 'call')} ({did}) from "
            f"{from_where or 'an unknown address'}."
        )
        yield of_calls("new-callers", Level.WARN, f"callers/{name}", sentence, events, period, environment)
    yield from _unread("new-callers", before)
    yield from unseen("new-callers", period, environment, "writes")
    if not new:
        sentence = f"All {len(names)} callers were there before." if names else "Nobody called."
        yield finding("new-callers", Level.OK, "callers", sentence, before.reading, listed(names, 8) or "none")


@check(
    "unusual-sources",
    title="Calls from elsewhere, or with other tools",
    question="Does any known caller call from a network, or with a tool, that it never used before?",
    severity=Level.WARN,
    runbook=WEEKLY_SECURITY,
)
def unusual_sources(period: TrailPeriod, before: CallersBefore, environment: Environment) -> Iterator[Finding]:
    judged, unusual = 0, 0
    for name in callers_of(period.events):
        calls = before.calls.get(name, ())
        if len(calls) < ENOUGH:
            continue
        judged += 1
        events = [event for event in period.events if event.principal == name]
        networks, tools = set(_networks(calls)), {tool_of(one.agent) for one in calls if one.agent}
        known = environment.review.security.known_sources
        elsewhere = [one for one in events if len(networks) < ROAMING and _is_elsewhere(one, networks, known)]
        others = [one for one in events if one.agent and tools and tool_of(one.agent) not in tools]
        if not elsewhere and not others:
            continue
        unusual += 1
        both = [one for one in elsewhere if one in others]
        where = f"from {listed(one.address for one in elsewhere)}" if elsewhere else ""
        tool = f"with {listed(tool_of(one.agent) for one in others)}" if others else ""
        usual = f"it used {listed(sorted(tools))} from {listed(sorted(networks))} before"
        sentence = f"{upper(name)} called {' and '.join(filter(None, (where, tool)))}; {usual}."
        evidence = both or [*elsewhere, *others]
        yield of_calls("unusual-sources", Level.WARN, f"sources/{name}", sentence, evidence, period, environment)
    yield from _unread("unusual-sources", before)
    if not unusual:
        sentence = f"{counted(judged, 'caller')} called as before." if judged else "No caller has enough calls before."
        yield finding(
            "unusual-sources", Level.OK, "sources", sentence, before.reading, counted(len(period.events), "call")
        )


def _networks(events: Iterable[TrailEvent]) -> Iterator[str]:
    for event in events:
        if network := _network(event.address):
            yield network


def _is_elsewhere(event: TrailEvent, networks: set[str], known: Iterable[str]) -> bool:
    network = _network(event.address)
    return bool(networks and network) and network not in networks and not _is_in(event.address, known)


def _is_in(address: str, networks: Iterable[str]) -> bool:
    return any(ipaddress.ip_address(address) in ipaddress.ip_network(each) for each in networks)


def _network(address: str) -> str:
    """Empty for what is no address: AWS writes the name of a service of its own there."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    return str(ipaddress.ip_network(f"{address}/{NETWORK[parsed.version]}", strict=False))


def _unread(name: str, before: CallersBefore) -> Iterator[Finding]:
    for principal, why in before.unread.items():
        sentence = f"What {principal} did before is not known: {why}"
        yield finding(name, Level.UNKNOWN, f"callers/{principal}", sentence, before.reading, principal)
