"""A maintenance performed: what ``decide`` says is done, and what came of it written down, one thing at a time.

Any process may do so, and several at once. What changes something is a run of the engine, which is made in the
transaction that writes down that it belongs to the maintenance, and what is told is put into the outbox in the same
way: so whoever is killed leaves nothing half done, and of two who decide the same one gets a conflict and has done
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.exc import IntegrityError

from omc.actions.action import Verdict as RunVerdict
from omc.config import Environment, Stack
from omc.engine import execution, following, journal, planning
from omc.engine.actors import Actor
from omc.engine.journal import UNDO
from omc.engine.planning import RunContext
from omc.engine.runner import Reporter
from omc.engine.transitions import State
from omc.engine.undoing import UndoRequest
from omc.errors import NothingToDo, OmcError, Refused, Unknown
from omc.maintenance import facts
from omc.maintenance.checks import Verdict, done_before, stale, unknown, verified_backup, way_back, worse
from omc.maintenance.figures import Figures
from omc.maintenance.model import (
    BaselineTaken,
    Finished,
    ItemBegan,
    ItemFailed,
    ItemPassed,
    ItemStatus,
    LeftInPlace,
    Maintenance,
    Measured,
    Overran,
    Payload,
    RunBegan,
    RunEnded,
    Silenced,
    SilencesEnded,
    StepNotNeeded,
    StepStatus,
    Stopped,
    WatchBegan,
    request_of,
)
from omc.maintenance.plan import (
    IDLE,
    BeginStep,
    BeginUndo,
    BeginWatch,
    Decision,
    End,
    EndSilences,
    Follow,
    Measure,
    Perform,
    RecordOverrun,
    Silence,
    Wait,
    decide,
)
from omc.maintenance.records import append, message_to, read
from omc.model.maintenance import KIND
from omc.model.matchers import parse_all
from omc.model.pages import Page
from omc.model.plan import Plan
from omc.model.requests import RollbackRequest
from omc.model.silences import Created
from omc.store import eventlog, silences
from omc.store.backups import verifications_in
from omc.store.embedded import StoreUnreachable
from omc.store.eventlog import Conflict
from omc.store.opened import Transaction
from omc.store.outbox import enqueue
from omc.times import format_time

HOUR: Final = timedelta(hours=1)
RETRY: Final = timedelta(seconds=10)
"""Until something that couldn't be read, or that another change is in the way of, is tried again."""
SOON: Final = timedelta(seconds=2)
"""Between two looks at what another process does."""
DELIVERED_WITHIN: Final = timedelta(minutes=5)
"""A message that nobody has sent by then isn't sent."""
READ_WITHIN: Final = timedelta(minutes=5)
"""Figures that can't be read for so long are missing."""
HEALTHY_WITHIN: Final = timedelta(minutes=5)
"""After the last step, until all services have to be healthy."""
RECENT, LOCAL_RECENT = timedelta(minutes=5), timedelta(minutes=1)
"""The stretch that is looked at while it is watched."""
LOCAL_SHARE = 10
"""The local cloud has its figures so many times sooner."""
CREATE, VERIFY = "backup-create", "backup-verify"
"""Procedures of the catalogue."""


def settle_of(stack: Stack, environment: Environment) -> timedelta:
    """How long after a step its figures say something."""
    seconds = stack.maintenance.measure_seconds
    return timedelta(seconds=seconds / LOCAL_SHARE if environment.is_local else seconds)


@dataclass(slots=True)
class Performer:
    """Performs one maintenance, in this process."""

    site: RunContext
    number: int
    actor: Actor
    """In whose name it is written down."""
    reporter: Reporter
    performs_runs: bool = True
    """Whether runs of the engine are performed here; else a worker's own loop takes them."""
    readings: facts.Readings = field(default_factory=lambda: facts.WORLD)

    def turn(self) -> Decision:
        """Decide and do one thing: what it was, or why nothing can be done now."""
        found = read(self.site.store, self.site.environment.name, self.number)
        decision = decide(found, self.site.store.now(), settle_of(self.site.stack, self.site.environment))
        if isinstance(decision, IDLE):
            return decision
        try:
            return self._do(found, decision) or decision
        except Conflict:
            return decision  # somebody else did it, or a person was quicker: ask again
        except StoreUnreachable:
            raise

    def work(self) -> Decision:
        """One thing after another until nothing can be done now: why not."""
        while True:
            decision = self.turn()
            if isinstance(decision, IDLE):
                return decision

    def _do(self, found: Maintenance, decision: Decision) -> Decision | None:
        match decision:
            case Perform(item):
                return ITEMS[item](self, found)
            case BeginStep(step):
                return self._begin_step(found, step, decision.purpose)
            case BeginUndo(step):
                return self._begin_undo(found, step, decision.purpose)
            case Follow(active, is_to_end):
                return self._follow(found, active, is_to_end=is_to_end)
            case Measure(step):
                return self._measure(found, step)
            case Silence():
                return self._silence(found)
            case EndSilences(why):
                return self._end_silences(found, why)
            case RecordOverrun():
                return self._overrun(found)
            case BeginWatch():
                until = self.now + timedelta(seconds=found.scheduled.watch_seconds)
                return self._write(found, WatchBegan(until))
            case End(verdict):
                return self._end(found, verdict)
        raise AssertionError(decision)

    # ── Writing ──────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def now(self) -> datetime:
        return self.site.store.now()

    def _write(
        self,
        found: Maintenance,
        *payloads: Payload,
        tell: Page | None = None,
        before: Callable[[Transaction], Sequence[Payload]] | None = None,
    ) -> Decision | None:
        """Write down what happened, with the message that tells of it, in one transaction. ``before``: what is written
        first in it, and what comes of that."""
        with self.site.store.transaction(self.actor.name) as transaction:
            more = tuple(before(transaction)) if before is not None else ()
            eventlog.wait_turn(transaction, (KIND, found.environment))
            append(transaction, found, *more, *payloads)
            if tell is not None:
                enqueue(transaction, tell)
        for payload in payloads:
            self._say(payload)
        return None

    def _say(self, payload: Payload) -> None:
        match payload:
            case ItemPassed(item, sentence):
                self.reporter.note(f"[{item}] {sentence}")
            case ItemFailed(item, sentence):
                self.reporter.note(f"[{item}] failed: {sentence}")
            case RunEnded(purpose, run, verdict, sentence):
                self.reporter.note(f"[{purpose}] run {run} {verdict}. {sentence}")
            case Stopped(why):
                self.reporter.note(f"Stopped: {why}")
            case LeftInPlace(step, why) | StepNotNeeded(step, why):
                self.reporter.note(f"[step {step}] {why}")
            case Measured(_, figures, bad, why):
                judged = f"Worse: {' '.join(bad)}" if bad else why
                self.reporter.note(f"Figures: {figures.sentence} {judged}".rstrip())
            case _:
                return

    def _told(self, found: Maintenance, what: str, sentence: str, lines: Sequence[str] = ()) -> Page | None:
        return message_to(self.site.stack, found, f"{what}.{found.events}", sentence, lines)

    def _stop(self, found: Maintenance, why: str) -> Decision | None:
        tell = self._told(found, "stopped", f"stopped. {why}")
        return self._write(found, Stopped(why), tell=tell)

    def _item(self, found: Maintenance, item: str, verdict: Verdict) -> Decision | None:
        if verdict.holds:
            return self._write(found, ItemPassed(item, verdict.sentence))
        tell = self._told(found, "stopped", f"stopped at {item}. {verdict.sentence}")
        return self._write(found, ItemFailed(item, verdict.sentence), tell=tell)

    # ── Runs of the engine ───────────────────────────────────────────────────────────────────────────────────────

    def _begin_step(self, found: Maintenance, step: int, purpose: str) -> Decision | None:
        wanted = request_of(found, step)
        try:
            request = planning.request_from(self.site.procedures, wanted.procedure, wanted.request)
            if found.override and getattr(request, "override", None) == "":
                request = replace(request, override=found.override)
            made = self._planned(wanted.procedure, request)
        except NothingToDo as error:
            return self._write(found, StepNotNeeded(step, error.message))
        except Unknown as error:
            return Wait(self.now + RETRY, error.message)
        except (OmcError, TypeError) as error:
            return self._stop(found, f"Step {step} can't be planned: {_message(error)}")
        if isinstance(made, Wait):
            return made
        if made.refusals:
            return self._stop(found, f"Step {step} is refused: {' '.join(made.refusals)}")
        if why := stale(wanted, made):
            return self._stop(
                found,
                f"The plan of step {step} is stale: {why}. Look at it as it is now, and plan the rest in a new "
                "maintenance.",
            )
        return self._begin_run(found, purpose, made)

    def _begin_undo(self, found: Maintenance, step: int, purpose: str) -> Decision | None:
        wanted, state = request_of(found, step), found.steps[step - 1]
        by_hand = f" By hand: {wanted.undo}" if wanted.undo and not wanted.is_undone_by_run else ""
        if not state.run:
            return self._write(found, LeftInPlace(step, f"A person did it, and omc can't undo it.{by_hand}"))
        try:
            made = self._planned(UNDO, UndoRequest(state.run))
        except Unknown as error:
            return Wait(self.now + RETRY, error.message)
        except OmcError as error:
            return self._write(found, LeftInPlace(step, f"{error.message}{by_hand}"))
        return made if isinstance(made, Wait) else self._begin_run(found, purpose, made)

    def _begin_item(self, found: Maintenance, item: str, part: str, procedure: str) -> Decision | None:
        try:
            kind = self.site.procedures.request_type(procedure)
            made = self._planned(procedure, kind())
        except (KeyError, ModuleNotFoundError, TypeError):
            why = f"This omc has no procedure {procedure} that needs nothing further. Do it by hand, and sign it."
            return self._item(found, item, Verdict(False, why))
        except OmcError as error:
            return self._item(found, item, Verdict(False, error.message))
        if isinstance(made, Wait):
            return made
        if made.refusals:
            return self._item(found, item, Verdict(False, " ".join(made.refusals)))
        return self._begin_run(found, f"item/{item}/{part}", made)

    def _planned(self, procedure: str, request: Any) -> Plan | Wait:
        """A plan from fresh facts; a wait while another change is active."""
        try:
            journal.ensure_no_active_run(self.site.store, self.site.environment.name)
        except Refused as error:
            return Wait(self.now + RETRY, error.message)
        return planning.make(self.site, procedure, request)

    def _begin_run(self, found: Maintenance, purpose: str, plan: Plan) -> Decision | None:
        """It was approved with the maintenance, so it needs no approval of its own."""
        store, policy = self.site.store, self.site.environment.approvals
        actor = Actor(found.aborted_by or found.started_by)

        def make(transaction: Transaction) -> tuple[Payload]:
            run = journal.create(store, plan, actor, policy, approved_before=True, within=transaction)
            return (RunBegan(purpose, run.id),)

        try:
            self._write(found, before=make)
        except IntegrityError:  # another change became active in this instant
            return Wait(self.now + RETRY, "Another change is active.")
        self.reporter.note(f"[{purpose}] {plan.title}")
        return None

    def _follow(self, found: Maintenance, active: RunBegan, *, is_to_end: bool) -> Decision | None:
        run = execution.read(self.site, active.run)
        if run.state != State.ENDED and is_to_end and not run.cancelled_by:
            journal.cancel(self.site.store, run.id, self.actor.name)
        if run.state != State.ENDED and self.performs_runs:
            try:
                following.attempt(self.site, active.run, self.actor.name, self.reporter)
            except StoreUnreachable:
                raise
            except OmcError as error:
                return Wait(self.now + RETRY, error.message)
        run = execution.read(self.site, active.run)
        if run.state != State.ENDED:
            return Wait(self.now + SOON, f"The run {run.id} ({run.title}) is under way.")
        ended = RunEnded(active.purpose, run.id, run.verdict or RunVerdict.UNKNOWN, run.sentence or "")
        kind, _, number = active.purpose.partition("/")
        tell = None
        if kind != "item":
            what = f"step {number} of {len(found.steps)}" if kind == "step" else f"undoing step {number}"
            stops = " Nothing further is begun." if kind == "step" and ended.verdict != RunVerdict.SUCCEEDED else ""
            tell = self._told(found, f"{kind}-{number}", f"{what} {ended.verdict}.{stops}", (ended.sentence,))
        return self._write(found, ended, tell=tell)

    # ── Figures ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _figures(self, since: timedelta) -> Figures:
        now = self.now
        return self.readings.figures(self.site.reads, now - since, now)

    def _worse(self, found: Maintenance, figures: Figures) -> tuple[str, ...]:
        floor = self.site.environment.thresholds.requests_floor
        return worse(found.baseline, figures, self.site.stack.maintenance, floor)

    def _unknown(self, found: Maintenance, figures: Figures) -> str:
        return unknown(found.baseline, figures, self.site.environment.thresholds.requests_floor)

    def _recent(self) -> timedelta:
        return LOCAL_RECENT if self.site.environment.is_local else RECENT

    def _measure(self, found: Maintenance, step: int) -> Decision | None:
        since = found.steps[step - 1].at if step else None
        begin = since or self.now
        try:
            figures = self._figures(self.now - begin if step else self._recent())
        except Unknown as error:
            known_since = (
                begin + settle_of(self.site.stack, self.site.environment)
                if step
                else (found.measured_at or found.watch_until or begin)
            )
            if self.now - known_since < READ_WITHIN:
                return Wait(self.now + RETRY, error.message)
            place = f"after step {step}" if step else "in the watch"
            return self._stop(found, f"The figures {place} can't be read: {error.message}")
        bad = self._worse(found, figures)
        after = f"after step {step}" if step else "in the watch"
        tell = self._told(found, "worse", f"stopped: worse {after}. {' '.join(bad)}") if bad else None
        return self._write(found, Measured(step, figures, bad, self._unknown(found, figures)), tell=tell)

    # ── Silences, the window's end, the end ──────────────────────────────────────────────────────────────────────

    def _silence(self, found: Maintenance) -> Decision | None:
        def make(transaction: Transaction) -> tuple[Payload]:
            silences.wait_turn(transaction, found.environment)
            owner, numbers = found.started_by or found.by, list[int]()
            if found.end > transaction.at:
                for conditions in found.scheduled.silences:
                    reason = f"Maintenance {found.number}: {found.title}"
                    created = Created(parse_all(conditions), reason, owner, found.end)
                    made = silences.create(transaction, found.environment, created, beside=len(numbers))
                    numbers.append(made.number)
            return (Silenced(tuple(numbers), found.end),)

        return self._write(found, before=make)

    def _end_silences(self, found: Maintenance, why: str) -> Decision | None:
        def end(transaction: Transaction) -> tuple[Payload, ...]:
            silences.wait_turn(transaction, found.environment)
            for number in found.silences:
                silences.end_soon(transaction, found.environment, number)
            return ()

        return self._write(found, SilencesEnded(why), before=end)

    def _overrun(self, found: Maintenance) -> Decision | None:
        self.reporter.note("The window has ended before the last step did. On-call is told.")
        return self._write(found, Overran(), tell=overrun_message(self.site.stack, found))

    def _end(self, found: Maintenance, verdict: str) -> Decision | None:
        if verdict == "succeeded":
            return self._write(found, Finished(verdict, "Every step is done, and it was watched."))
        stays = [
            f"Step {number} stays: {each.sentence}"
            for number, each in enumerate(found.steps, 1)
            if each.status is StepStatus.LEFT
        ]
        left = " ".join(stays) or ("Nothing of it is left." if found.started_at else "Nothing of it was begun.")
        sentence = f"{found.aborted_by}: {found.aborted_why.rstrip('.')}. {left}"
        tell = self._told(found, "ended", f"{verdict}. {sentence}")
        return self._write(found, Finished(verdict, sentence), tell=tell)

    # ── The checklist ────────────────────────────────────────────────────────────────────────────────────────────

    def team(self, found: Maintenance) -> Decision | None:
        state = found.items["team"]
        if state.status is not ItemStatus.BEGUN:
            zone = self.site.environment.time_zone
            when = f"{format_time(found.begin, zone)} to {format_time(found.end, zone)}"
            steps = [f"{number}. {each.title}" for number, each in enumerate(found.scheduled.steps, 1)]
            page = self._told(found, "team", f"{when}, by {found.started_by}.", steps)
            if page is None:
                sentence = "omc.toml names no channel ([channels] general). Tell the team, and sign it."
                return self._item(found, "team", Verdict(False, sentence))
            return self._write(found, ItemBegan("team", page.key), tell=page)
        with self.site.store.reading() as session:
            arrived, sentence = facts.delivery(session, state.sentence)
        if arrived is None:
            if state.at is None or self.now - state.at < DELIVERED_WITHIN:
                return Wait(self.now + SOON, sentence)
            minutes = f"{DELIVERED_WITHIN.total_seconds() / 60:.0f} min"
            sentence = f"Nobody has sent the message for {minutes}: is omc serve running? Tell the team, and sign it."
        return self._item(found, "team", Verdict(bool(arrived), sentence))

    def backup(self, found: Maintenance) -> Decision | None:
        lately = timedelta(hours=self.site.stack.maintenance.backup_hours)
        there = verifications_in(self.site.store, found.environment)
        known = verified_backup(there, self.now, lately, found.started_at)
        if known.holds:
            return self._item(found, "backup", known)
        made, looked = found.runs.get("item/backup/create"), found.runs.get("item/backup/verify")
        if made is None or made.verdict != RunVerdict.SUCCEEDED:
            return self._begin_item(found, "backup", "create", CREATE)
        if looked is not None and looked.verdict == RunVerdict.SUCCEEDED:  # of another backup, or of an unknown time
            return self._item(found, "backup", known)
        return self._begin_item(found, "backup", "verify", VERIFY)

    def rollback(self, found: Maintenance) -> Decision | None:
        trouble: dict[int, str] = {}
        for number, step in enumerate(found.scheduled.steps, 1):
            if step.procedure != "deploy":
                continue
            services = tuple(str(name) for name in step.request.get("images", {}))
            try:
                made = planning.make(self.site, "rollback", RollbackRequest(services))
            except NothingToDo:
                continue  # what it would go back to is what runs now
            except OmcError as error:
                trouble[number] = error.message
            else:
                trouble |= {number: " ".join(made.refusals)} if made.refusals else {}
        return self._item(found, "rollback", way_back(found.scheduled.steps, trouble))

    def staging(self, found: Maintenance) -> Decision | None:
        settings, stack, here = self.site.stack.maintenance, self.site.stack, self.site.environment
        earlier = settings.earlier
        if here.name == earlier or here.is_local:
            return self._item(found, "staging", Verdict(True, f"No environment comes before {here.name}."))
        if earlier not in stack.environments:
            why = f"omc.toml has no environment {earlier}. Try it elsewhere, and sign it."
            return self._item(found, "staging", Verdict(False, why))
        try:
            there = facts.runs_before(stack, earlier)
        except StoreUnreachable as error:
            return self._item(
                found, "staging", Verdict(False, f"The record of {earlier} can't be read: {error.message}")
            )
        days = timedelta(days=settings.earlier_days)
        return self._item(found, "staging", done_before(found.scheduled.steps, there, earlier, self.now, days))

    def dashboard(self, found: Maintenance) -> Decision | None:
        try:
            figures = self._figures(HOUR)
        except OmcError as error:
            return self._item(found, "dashboard", Verdict(False, f"There is no baseline: {error.message}"))
        self.reporter.note(f"[dashboard] {figures.sentence}")
        return self._write(found, BaselineTaken(figures, facts.dashboard_of(self.site.reads)))

    def healthy(self, found: Maintenance) -> Decision | None:
        try:
            verdict = self.readings.health(self.site, HOUR)
        except OmcError as error:
            verdict = Verdict(False, error.message)
        last = max((each.at for each in found.steps if each.at), default=None)
        if not verdict.holds and last is not None and self.now - last < HEALTHY_WITHIN:
            return Wait(self.now + RETRY, verdict.sentence)
        return self._item(found, "healthy", verdict)

    def errors(self, found: Maintenance) -> Decision | None:
        try:
            figures = self._figures(self._recent())
        except OmcError as error:
            return self._item(found, "errors", Verdict(False, error.message))
        bad, why = self._worse(found, figures), self._unknown(found, figures)
        return self._item(
            found, "errors", Verdict(not bad and not why, " ".join((*bad, why)).strip() or figures.sentence)
        )

    def watch(self, found: Maintenance) -> Decision | None:
        """Figures that say nothing are a person's to judge, who did so where she signed for those before the watch."""
        figures = found.newest.sentence if found.newest else "no figures"
        minutes = found.scheduled.watch_seconds / 60
        why = self._unknown(found, found.newest) if found.newest else "It has no figures."
        if why and found.items["errors"].status is not ItemStatus.EXCEPTED:
            return self._item(found, "watch", Verdict(False, f"Watched for {minutes:g} min. {why}"))
        return self._item(
            found, "watch", Verdict(True, f"Watched for {minutes:g} min; at the end: {figures} {why}".rstrip())
        )

    def all_clear(self, found: Maintenance) -> Decision | None:
        figures = found.newest.sentence if found.newest else ""
        tell = self._told(found, "all-clear", "all clear. Every step is done, and it was watched.", (figures,))
        done = "The message is in the outbox." if tell else "omc.toml names no channel to tell."
        return self._write(found, ItemPassed("all-clear", done), tell=tell)


ITEMS: Final[dict[str, Callable[[Performer, Maintenance], Decision | None]]] = {
    "team": Performer.team,
    "backup": Performer.backup,
    "rollback": Performer.rollback,
    "staging": Performer.staging,
    "dashboard": Performer.dashboard,
    "healthy": Performer.healthy,
    "errors": Performer.errors,
    "watch": Performer.watch,
    "all-clear": Performer.all_clear,
}
"""What does each item of the checklist that software does."""


def overrun_message(stack: Stack, found: Maintenance) -> Page | None:
    """What the channel is told when the window has ended too early."""
    return message_to(stack, found, "overran", "the window has ended before the last step did. On-call is paged.")


def _message(error: Exception) -> str:
    return error.message if isinstance(error, OmcError) else str(error)
