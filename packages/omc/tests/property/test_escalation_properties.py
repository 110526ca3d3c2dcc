"""Whatever people, alerts, rotas and clocks do: no page twice, none left out, and each at its time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, time
from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st

from omc.errors import OmcError
from omc.incidents.events import (
    AUTOMATIC,
    Acknowledged,
    AlertEnded,
    AlertJoined,
    Merged,
    Mitigated,
    Noted,
    Opened,
    Paged,
    Payload,
    Reopened,
    Resolved,
    SeverityChanged,
    Snoozed,
    SnoozeEnded,
    Unmerged,
    UpdateSent,
)
from omc.incidents.model import apply, from_first_event, replay
from omc.judgement.escalation import Clocks, Rung
from omc.model.events import Event
from omc.oncall.business import BusinessHours
from omc.oncall.escalation import World, escalation
from support.incident_life import CHAIN, PEOPLE, POLICY, START, Life, minutes

NAMES = sorted(PEOPLE)
rungs = st.sampled_from([*NAMES, "nobody is on call"])


@dataclass(frozen=True)
class Passes:
    """Time goes by, and each look is made when it is due."""

    minutes: int


@dataclass(frozen=True)
class Away:
    """No responder runs for so long; a negative time: the clock is put back."""

    minutes: int


@dataclass(frozen=True)
class Roster:
    names: tuple[str, ...]


@dataclass(frozen=True)
class Fails:
    """The page sent last reaches nobody."""


@dataclass(frozen=True)
class Health:
    findings: tuple[str, ...] | None


def acts(at: datetime, what: object) -> Payload:
    """What people do, whose time is counted from when they do it."""
    if isinstance(what, tuple):
        kind, who, length = what
        return Acknowledged(who, at + minutes(length)) if kind == "ack" else Snoozed(at + minutes(length), "why", who)
    return what  # type: ignore[return-value]


steps = st.lists(
    st.one_of(
        st.builds(Passes, st.integers(1, 200)),
        st.builds(Away, st.integers(-90, 400)),
        st.builds(Roster, st.tuples(rungs, rungs, rungs, rungs)),
        st.just(Fails()),
        st.builds(Health, st.sampled_from([(), ("no healthy target",), None])),
        st.tuples(st.just("ack"), st.sampled_from(NAMES), st.integers(1, 120)),
        st.tuples(st.just("snooze"), st.booleans(), st.integers(1, 200)),
        st.builds(SeverityChanged, st.integers(1, 3)),
        st.builds(AlertJoined, st.sampled_from("xy"), st.just("alarm")),
        st.builds(AlertEnded, st.sampled_from("xy")),
        st.sampled_from(
            [
                Noted("looking"),
                Mitigated("scaled out"),
                Resolved("rolled back"),
                Reopened("it is back"),
                SnoozeEnded("by hand"),
                Merged(4),
                Unmerged(4),
                UpdateSent("we know"),
            ]
        ),
    ),
    max_size=14,
)
HOURS = BusinessHours(time(9), time(17), "Australia/Sydney").later


def lived(severity: int, what: list[object]) -> Life:
    life = Life(replace(POLICY, in_business_hours=HOURS)).open(severity)
    for each in what:
        if isinstance(each, Passes):
            life.after(each.minutes)
        elif isinstance(each, Away):
            life.now += minutes(each.minutes)
            life.look()
        elif isinstance(each, Roster):
            life.on_call = [PEOPLE.get(name, name) for name in each.names]
        elif isinstance(each, Fails):
            if life.pages:
                life.fails()
        elif isinstance(each, Health):
            life.health = each.findings
        else:
            payload = acts(life.now, each)
            try:
                life.incident = apply(life.incident, Event(life.now, "gus", payload))
            except OmcError:
                continue
            life.look()
    return life


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 3), steps)
def test_no_page_goes_out_twice_and_somebody_is_always_looked_for(severity: int, what: list[object]) -> None:
    """``Life.look`` holds besides: the same decision twice, none a second time, each event allowed, the next look to
    come."""
    life = lived(severity, what)
    keys = [page.key for _, page in life.pages]
    assert len(set(keys)) == len(keys)
    turns = [(each.round, each.step) for each in life.happened(Paged) if isinstance(each, Paged)]
    assert len(set(turns)) == len(turns)
    incident = life.incident
    stored = replay("staging", 3, incident.events)
    assert stored == incident, "what was decided step by step is what the events say"
    is_cared_for = incident.mitigated_at is not None and incident.acknowledgement is not None
    if incident.is_open and not is_cared_for:
        assert life.next_look is not None, "an open incident that nobody mitigated is never forgotten"
    if not incident.is_open:
        assert life.next_look is None


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 3), steps)
def test_after_each_look_nobody_whose_time_has_come_is_left_out(severity: int, what: list[object]) -> None:
    life = lived(severity, what)
    incident, paging = life.incident, life.incident.paging
    if not incident.is_open or paging.since is None or incident.snooze is not None:
        return
    if incident.quiet_since is not None and incident.unhealthy_at is None:
        return
    now = max(life.now, paging.since)
    start = HOURS(paging.since, minutes(0)) if incident.severity == 3 else paging.since
    if now < start or incident.severity == 3:
        return
    passes = (now - start) // POLICY.again
    for rung in CHAIN:
        if passes or incident.severity == 1 or start + rung.after <= now:
            turn = (paging.first_round + passes, rung.step)
            assert turn in paging.paged or turn in paging.skipped


@dataclass(frozen=True)
class Plan:
    afters: tuple[int, ...]
    """Minutes from one rung to the next."""
    who: tuple[str, ...]
    again: int
    mitigation: int
    taken: int | None
    """When the person of ``by`` acknowledges; None: never."""
    by: str
    mitigated: int | None
    severity: int


plans = st.integers(1, 5).flatmap(
    lambda count: st.builds(
        Plan,
        st.tuples(*[st.integers(1, 40)] * (count - 1)) if count > 1 else st.just(()),
        st.tuples(*[rungs] * count),
        st.integers(1, 60),
        st.integers(1, 50),
        st.none() | st.integers(0, 200),
        st.sampled_from(NAMES),
        st.none() | st.integers(1, 120),
        st.integers(1, 2),
    )
)


def expected_pages(plan: Plan, horizon: int) -> list[tuple[int, str]]:
    """The rules once more, minute by minute, without events, rounds or deadlines. What falls due in the minute of an
    acknowledgement or a mitigation comes before it."""
    afters = afters_of(plan)
    again = afters[-1] + plan.again
    until = horizon if plan.taken is None else plan.taken
    pages = [
        (minute, who) for minute in range(0, until + 1, again) if minute or plan.severity == 1 for who in all_of(plan)
    ]
    if plan.severity == 2:
        pages += [(minute, plan.who[step]) for minute, step in climbed(plan, min(until, again - 1))]
    if plan.taken is not None:
        mitigated = horizon if plan.mitigated is None else plan.taken + plan.mitigated
        turns = range(plan.taken + plan.mitigation, min(horizon, mitigated) + 1, plan.mitigation)
        above = [who for who in plan.who[step_of(plan) + 1 :] if who in PEOPLE and who != plan.by]
        pages += list(zip(turns, above, strict=False))
    return pages


def afters_of(plan: Plan) -> list[int]:
    return list(accumulate(plan.afters, initial=0))


def all_of(plan: Plan) -> list[str]:
    return [who for who in dict.fromkeys(plan.who) if who in PEOPLE]


def climbed(plan: Plan, until: int) -> list[tuple[int, int]]:
    """Of a SEV-2: the minute and the rung that was paged in it. A rung without anybody takes no time."""
    found: list[tuple[int, int]] = []
    minute = 0
    for step, gap in enumerate((*plan.afters, 0)):
        if plan.who[step] in PEOPLE:
            found.append((minute, step))
            minute += gap
    return [(minute, step) for minute, step in found if minute <= until]


def step_of(plan: Plan) -> int:
    """The rung of whoever took it: the highest on which she was paged, else the highest that was."""
    assert plan.taken is not None
    reached = [step for _, step in climbed(plan, plan.taken)] if plan.severity == 2 else []
    if plan.severity == 1 or plan.taken >= afters_of(plan)[-1] + plan.again:
        reached += [plan.who.index(who) for who in all_of(plan)]
    return max([step for step in reached if plan.who[step] == plan.by] or reached, default=0)


@settings(max_examples=100, deadline=None)
@given(plans, st.lists(st.integers(1, 299), max_size=5))
def test_every_page_comes_in_its_minute_whenever_else_somebody_looks(plan: Plan, looks: list[int]) -> None:
    """Against the rules written a second time."""
    afters = afters_of(plan)
    policy = replace(
        POLICY,
        chain=tuple(Rung(step, f"rung {step}", minutes(after)) for step, after in enumerate(afters)),
        again=minutes(afters[-1] + plan.again),
        mitigation=minutes(plan.mitigation),
    )
    life = Life(policy, on_call=[PEOPLE.get(name, name) for name in plan.who]).open(plan.severity)
    marks: list[tuple[int, Payload | None]] = [(look, None) for look in looks]
    if plan.taken is not None:
        marks.append((plan.taken, Acknowledged(plan.by)))
        if plan.mitigated is not None:
            marks.append((plan.taken + plan.mitigated, Mitigated("scaled out")))
    for minute, payload in sorted(marks, key=lambda mark: mark[0]):
        life.until(START + minutes(minute))
        if payload is not None:
            life.incident = apply(life.incident, Event(life.now, "gus", payload))
        life.look()
    life.until(START + minutes(300))
    found = [(int(minute), who) for minute, who in life.paged()]
    assert sorted(found) == sorted(expected_pages(plan, 300))


@settings(max_examples=60, deadline=None)
@given(plans, st.integers(1, 3), st.integers(0, 7 * 24 * 60))
def test_what_explains_the_chain_says_what_then_pages(plan: Plan, severity: int, since: int) -> None:
    """``omc oncall explain`` and a responder, of the same chain, at any time of a week, in which nobody answers."""
    afters = afters_of(plan)
    chain = tuple(
        Rung(step, f"rung {step}", minutes(after), person=PEOPLE.get(who))
        for step, (after, who) in enumerate(zip(afters, plan.who, strict=True))
    )
    clocks = Clocks(chain, minutes(afters[-1] + plan.again), minutes(plan.mitigation), HOURS)
    policy = replace(POLICY, chain=chain, again=clocks.again, mitigation=clocks.mitigation, in_business_hours=HOURS)
    life = Life(policy, on_call=[PEOPLE.get(who, who) for who in plan.who], now=START + minutes(since)).open(severity)
    said = escalation(clocks, World({}, PEOPLE), severity, life.now)
    life.until(said.steps[-1].at)
    expected = {(step.at, target.person) for step in said.steps for target in step.targets}
    paged = {(at, page.recipient) for at, page in life.pages if page.key.startswith("page:")}
    assert paged == expected


anything = st.lists(
    st.sampled_from([Opened(1, "x"), Resolved(""), Reopened(""), Merged(3), Unmerged(9)])
    | st.builds(SeverityChanged, st.integers(-1, 5))
    | st.builds(Acknowledged, st.sampled_from(NAMES), st.none() | st.just(START))
    | st.builds(Snoozed, st.just(START), st.just(""))
    | st.builds(SnoozeEnded, st.just(""), st.booleans())
    | st.builds(AlertJoined, st.sampled_from("xy"), st.just("alarm"))
    | st.builds(AlertEnded, st.sampled_from("xyz"))
    | st.builds(
        Paged, st.sampled_from(NAMES), st.none() | st.integers(0, 9), st.integers(0, 99), st.just("k"), st.just("")
    ),
    max_size=20,
)


@settings(max_examples=100, deadline=None)
@given(anything, st.lists(st.integers(-100, 100), min_size=21, max_size=21))
def test_whatever_the_store_holds_is_read_and_goes_on(payloads: list[Payload], at: list[int]) -> None:
    """Also what no rule would have let happen, in any order, by clocks that jump."""
    events = [Event(START + minutes(when), AUTOMATIC, payload) for when, payload in zip(at, payloads, strict=False)]
    opened = Event(START, "ann", Opened(2, "Users can't log in"))
    life = Life()
    life.incident = replay("staging", 3, [opened, *events])
    assert from_first_event("staging", 3, opened).events == (opened,)
    if life.incident.is_open:
        incident = life.incident
        assert incident.paging.since or incident.acknowledgement or incident.snooze or incident.quiet_since, (
            "it waits for somebody, somebody has it, it is snoozed, or it is quiet"
        )
    life.decide()
