"""Whatever happens to those who perform a maintenance, and whatever they find: no step is begun twice, the order holds,
silences end, and with people's help it comes to an end."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc.errors import OmcError
from omc.maintenance import desk
from omc.maintenance.checklist import Part
from omc.maintenance.figures import Figures
from omc.maintenance.model import (
    TYPES,
    Aborted,
    BaselineTaken,
    Finished,
    ItemFailed,
    ItemPassed,
    LeftInPlace,
    Maintenance,
    MaintenanceEvent,
    Measured,
    Overran,
    Payload,
    Resumed,
    RunBegan,
    RunEnded,
    Silenced,
    SilencesEnded,
    Started,
    StepStatus,
    WatchBegan,
    apply,
    from_first_event,
    open_items,
    replay,
)
from omc.maintenance.plan import (
    IDLE,
    AwaitPerson,
    BeginStep,
    BeginUndo,
    BeginWatch,
    Decision,
    End,
    EndSilences,
    Follow,
    Measure,
    Over,
    Perform,
    RecordOverrun,
    Silence,
    Wait,
    decide,
)
from omc.model.events import Event
from omc.model.maintenance import MaintenanceStep, Scheduled

BEGIN = datetime(2026, 11, 28, 16, tzinfo=UTC)
END = BEGIN + timedelta(hours=2)
STEPS = (
    MaintenanceStep("Restart", "restart", {"services": ["backend"]}),
    MaintenanceStep("Look at it"),
    MaintenanceStep("Scale", "scale", {"service": "backend", "count": 3}, undo="back to 2", is_undone_by_run=True),
)
SCHEDULED = Scheduled("Newer", BEGIN, END, STEPS, (("name=rds-*",),), 600.0, "0vqk3m7x")
SETTLE = timedelta(minutes=3)


@dataclass
class Story:
    """A maintenance, a clock, and whatever performs it."""

    now: datetime = BEGIN - timedelta(hours=1)
    events: list[MaintenanceEvent] = field(default_factory=list)
    found: Maintenance = field(init=False)
    is_bad: bool = False
    """Whether what is looked at next is bad."""
    verdict: str = ""
    """How the run under way ended; empty: it hasn't."""

    def __post_init__(self) -> None:
        self.events.append(Event(self.now, "alice", SCHEDULED))
        self.found = from_first_event("production", 3, self.events[0])

    def append(self, payload: Payload, by: str = "omc") -> None:
        event = Event(self.now, by, payload)
        self.check(payload)
        self.events.append(event)
        self.found = apply(self.found, event)

    def check(self, payload: Payload) -> None:
        """What may never be."""
        found = self.found
        assert not found.is_over, payload
        if not isinstance(payload, RunBegan):
            return
        kind, _, number = payload.purpose.partition("/")
        assert found.active is None
        state = found.steps[int(number) - 1]
        if kind == "step":
            assert state.status is StepStatus.OPEN
            assert not open_items(found, Part.BEFORE)
            assert self.now >= found.begin
            assert all(each.status is StepStatus.DONE and each.is_measured for each in found.steps[: int(number) - 1])
            assert all(not each.was_begun for each in found.steps[int(number) :])
            assert found.aborted_at is None
            assert not found.stopped
        else:
            assert found.aborted_at is not None
            assert all(
                not each.was_begun or each.status in (StepStatus.UNDONE, StepStatus.LEFT)
                for each in found.steps[int(number) :]
            )

    def outcome(self, decision: Decision) -> Payload | None:
        """What whoever performs this writes down."""
        bad, figures = self.is_bad, Figures(self.now - timedelta(minutes=5), self.now)
        match decision:
            case Perform("dashboard") if not bad:
                return BaselineTaken(figures, "https://dashboard")
            case Perform(item):
                return ItemFailed(item, "no") if bad else ItemPassed(item, "yes")
            case BeginStep() | BeginUndo():
                if isinstance(decision, BeginUndo) and (bad or not STEPS[decision.step - 1].is_undone_by_run):
                    return LeftInPlace(decision.step, "nothing takes it back")
                return RunBegan(decision.purpose, f"run{len(self.events)}")
            case Follow(active):
                return RunEnded(active.purpose, active.run, self.verdict, "so") if self.verdict else None
            case Measure(step):
                return Measured(step, figures, ("worse",) if bad else ())
            case Silence():
                return Silenced((7,), END)
            case EndSilences(why):
                return SilencesEnded(why)
            case RecordOverrun():
                return Overran()
            case BeginWatch():
                return WatchBegan(self.now + timedelta(seconds=600))
            case End(verdict):
                return Finished(verdict, "")
        raise AssertionError(decision)

    def turn(self, processes: int = 1, killed: bool = False) -> Decision:
        """Some processes decide on the same state; one is the first to write, unless it is killed before its commit."""
        decisions = [decide(self.found, self.now, SETTLE) for _ in range(processes)]
        assert len(set(map(repr, decisions))) == 1
        decision, seen = decisions[0], self.found.events
        if isinstance(decision, IDLE) or killed:
            return decision
        for _ in range(processes):
            payload = self.outcome(decision)
            if payload is not None and self.found.events == seen:  # else a conflict: nothing of it is written
                self.append(payload)
                if isinstance(payload, RunBegan | RunEnded):
                    self.verdict = ""
        return decision

    def person(self, payload: Any) -> None:
        """What a person decides, where it may be."""
        try:
            event = payload(self.found)
        except OmcError:
            return
        self.append(event, "alice")

    def finish(self) -> None:
        """All goes well from here, and people do what they are asked."""
        assert isinstance(self.go_well(200), Over), self.found

    def go_well(self, turns: int) -> Decision | None:
        """For so many turns, or until it is over."""
        self.is_bad = False
        decision = None
        for _ in range(turns):
            self.verdict = "succeeded"
            decision = self.turn()
            if isinstance(decision, Over):
                break
            if isinstance(decision, Wait):
                self.now = max(self.now, decision.until)
            elif isinstance(decision, AwaitPerson):
                self._help(decision)
        self.verdict = ""
        return decision

    def _help(self, decision: AwaitPerson) -> None:
        if self.found.started_at is None:
            self.append(Aborted("never mind") if self.now >= self.found.end else Started(), "alice")
        elif decision.is_stopped:
            self.person(lambda found: desk.resume(found, "fine"))
        elif "finish" in decision.do:
            self.person(lambda found: desk.finish(found, "it is right"))
        else:
            self.person(lambda found: desk.sign(found, self.now, "2", "done"))


ACTS = st.one_of(
    st.tuples(st.just("well"), st.integers(1, 40)),
    st.tuples(st.just("turn"), st.integers(1, 3)),
    st.tuples(st.just("killed"), st.just(0)),
    st.tuples(st.just("bad"), st.booleans()),
    st.tuples(st.just("ended"), st.sampled_from(["succeeded", "failed", "rolled back", "unknown", "superseded"])),
    st.tuples(st.just("pass"), st.integers(1, 90)),
    st.tuples(st.just("start"), st.just(0)),
    st.tuples(st.just("resume"), st.just(0)),
    st.tuples(st.just("sign"), st.sampled_from(["team", "backup", "healthy", "watch", "2"])),
    st.tuples(st.just("abort"), st.just(0)),
    st.tuples(st.just("finish"), st.just(0)),
)


def act(story: Story, kind: str, value: Any) -> None:
    match kind:
        case "well":
            story.go_well(value)
        case "turn":
            story.turn(value)
        case "killed":
            story.turn(killed=True)
        case "bad":
            story.is_bad = value
        case "ended":
            story.verdict = value
        case "pass":
            story.now += timedelta(minutes=value)
        case "start":
            story.person(lambda found: desk.start(found, story.now))
        case "resume":
            story.person(lambda found: desk.resume(found, "it was nothing"))
        case "sign":
            story.person(lambda found: desk.sign(found, story.now, value, "I looked"))
        case "abort":
            story.person(lambda found: desk.abort(found, "it is bad"))
        case "finish":
            story.person(lambda found: desk.finish(found, "it is right"))


@settings(max_examples=300)
@given(st.lists(ACTS, max_size=60))
def test_whatever_happens_it_ends_with_its_silences_over_and_each_step_begun_once(acts: list[tuple[str, Any]]) -> None:
    story = Story()
    for kind, value in acts:
        act(story, kind, value)
    story.finish()
    found = story.found
    assert found.silences == ()
    assert found.active is None
    payloads = [each.payload for each in story.events]
    again = sum(isinstance(each, Resumed) for each in payloads)
    purposes = [each.purpose for each in payloads if isinstance(each, RunBegan)]
    for number in range(1, len(STEPS) + 1):
        assert purposes.count(f"step/{number}") <= 1 + again
        assert purposes.count(f"undo/{number}") <= 1
    if found.verdict == "succeeded":
        assert {each.status for each in found.steps} == {StepStatus.DONE}
        assert all(each.holds for each in found.items.values())
    else:
        assert not any(each.was_begun and each.status is StepStatus.DONE for each in found.steps)
    assert replay("production", 3, story.events) == found


@given(st.lists(ACTS, max_size=30))
def test_events_are_read_back_as_they_were_written(acts: list[tuple[str, Any]]) -> None:
    story = Story()
    for kind, value in acts:
        act(story, kind, value)
    for event in story.events:
        assert TYPES.read(*TYPES.write(event.payload)) == event.payload


def test_a_step_that_failed_is_begun_again_only_when_a_person_says_so() -> None:
    story = Story(now=BEGIN)
    story.append(Started())
    while not isinstance(story.turn(), Follow):
        pass
    story.verdict = "failed"
    story.turn()
    assert story.found.phase == "stopped"
    for _ in range(5):
        story.now += timedelta(minutes=5)
        assert isinstance(story.turn(), AwaitPerson)
    story.append(Resumed("the image is there now"), "alice")
    assert story.turn() == BeginStep(1)


@pytest.mark.parametrize("begun", [0, 1, 2, 3])
def test_abort_takes_back_in_reverse_order(begun: int) -> None:
    story = Story(now=BEGIN)
    story.append(Started())
    while sum(each.status is StepStatus.DONE for each in story.found.steps) < begun:
        story.verdict = "succeeded"
        decision = story.turn()
        if isinstance(decision, Wait):
            story.now = decision.until
        elif isinstance(decision, AwaitPerson):
            story._help(decision)
    story.append(Aborted("users can't log in"), "alice")
    order: list[int] = []
    while not isinstance(decision := story.turn(), Over):
        story.verdict = "succeeded"
        if isinstance(decision, BeginUndo):
            order.append(decision.step)
    assert order == list(range(begun, 0, -1))
    assert story.found.verdict == "aborted"
