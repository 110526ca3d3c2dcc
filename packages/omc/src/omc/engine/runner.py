"""The runner: performs one run that it holds by lease, from wherever it is to its end.

It keeps nothing in its head: each turn reads the rows, lets ``course`` decide, and writes down what comes before it
happens. So going on after a crash, after a lost connection, and in another process are all the same thing.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

from omc.actions.action import Action, Context, Interrupted, Outcome, Verdict, action_named
from omc.engine import integrity, journal, planning
from omc.engine.journal import Lease
from omc.engine.step_arguments import require_performable
from omc.engine.transitions import End, Phase, RollBack, RunStep, State, StepState, decide
from omc.engine.undoing import CUT_SHORT, outputs_of, step_status
from omc.errors import AccessDenied, AwsRefused, BadCredentials, NoCredentials, OmcError, Unknown
from omc.model.arguments.base import Arguments
from omc.model.plan import Plan, from_json, resolve
from omc.model.registry import NotRegistered
from omc.model.typed_json import Misfit
from omc.store.embedded import StoreError, StoreUnreachable
from omc.store.models import Run, StepRow

FIRST_PAUSE = 0.5
"""Seconds before AWS is asked again after it could not answer; twice as many each time."""
LONGEST_PAUSE = 8.0
LOOK_FOR_CANCEL = 1.0
"""Seconds within which a runner that waits sees that it was cancelled."""


class Reporter(Protocol):
    """Where a runner says what it does; ``omc.progress.Progress`` is one."""

    def note(self, text: str) -> None: ...

    def waiting(self, what: str) -> None: ...


class NullReporter:
    """Says nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def waiting(self, what: str) -> None:
        """Nothing."""


class RunPaused(OmcError):
    """This process can't go on, but another may: the run is kept as it is."""

    exit_code = Unknown.exit_code


@dataclass(frozen=True, slots=True)
class _Now:
    """What the rows say at the beginning of a turn."""

    run: Run
    plan: Plan
    steps: list[StepRow]
    undos: list[StepRow]


@dataclass(slots=True)
class Runner:
    """One run in the hands of this process."""

    site: planning.RunContext
    lease: Lease
    actor: str
    """Who runs it, for the record: not who asked for it."""
    reporter: Reporter
    sleep: Callable[[float], None] = time.sleep

    # -- the loop -------------------------------------------------------------------------------------------------

    def execute(self) -> None:
        """Go on until the run's end. Raises ``LostLease`` if another has taken it over, ``Stuck`` if nobody here can
        go on: it lacks credentials, or the store is gone for longer than the lease."""
        with self.lease.kept():
            while True:
                try:
                    if self._turn():
                        return
                except StoreUnreachable as error:
                    self._wait_for_store(error)

    def _turn(self) -> bool:
        now = self._read()
        if now.run.state == State.ENDED:
            return True
        require_performable(now.plan, now.run.id)
        self._require_fence(now.run)
        move = decide(
            now.plan,
            State(now.run.state),
            [step_status(row) for row in now.steps],
            [step_status(row) for row in now.undos],
            cancelled=now.run.cancelled_by is not None,
        )
        match move:
            case RunStep(phase, number):
                self._step(now, (now.steps if phase is Phase.PERFORM else now.undos)[number - 1])
            case RollBack(names):
                self.reporter.note(f"Undoing {', '.join(names)}")
                journal.begin_undo(self.lease, self.actor, names)
            case End(verdict, sentence):
                journal.end(self.lease, self.actor, verdict.value, sentence)
                return True
        return False

    def _read(self) -> _Now:
        with self.site.store.reading() as session:
            run = journal.find(session, self.lease.run)
            integrity.require_unaltered(session, run)
            rows = journal.steps_of(session, run.id)
        steps = [row for row in rows if row.phase == Phase.PERFORM]
        undos = [row for row in rows if row.phase == Phase.UNDO]
        return _Now(run, from_json(run.plan), steps, undos)

    def _require_fence(self, run: Run) -> None:
        if run.fence != self.lease.fence:
            self.lease.lost = True
            raise journal.lost(run.id)

    def _wait_for_store(self, error: StoreUnreachable) -> None:
        """The store is gone: try again as long as the run is surely ours."""
        self.reporter.waiting(f"omc's own database doesn't answer; trying again ({error.message[:80]})")
        self.sleep(FIRST_PAUSE)
        try:
            self.site.store.revive()
            self.lease.check()
        except (StoreUnreachable, StoreError):
            raise RunPaused(
                f"{error.message} The run {self.lease.run} stays where it is; continue with: "
                f"omc runs resume {self.lease.run}"
            ) from error

    # -- one step -------------------------------------------------------------------------------------------------

    def _step(self, now: _Now, row: StepRow) -> None:
        specified = {step.name: step for step in now.plan.steps}[row.name]
        undo = specified.undo if row.phase == Phase.UNDO else None
        name, record = (undo.action, undo.arguments) if undo else (specified.action, specified.arguments)
        title = f"Undo: {undo.description}" if undo else specified.title
        if row.state == StepState.PENDING:
            self.reporter.note(f"[{row.number}/{len(now.undos if undo else now.steps)}] {title}")
        try:
            action = action_named(name)
            arguments: Arguments = action.read(resolve(record, outputs_of(now.steps)))
        except (KeyError, ImportError, Misfit) as error:
            self._conclude(row, Outcome(Verdict.FAILED, f"{title}: {_why_not(name, error)} It was not begun."))
            return
        step = _Step(self, now.run, row, action, arguments, title, specified.deadline)
        outcome_found = step.effect() if row.state != StepState.PERFORMED else None
        self._conclude(row, outcome_found or step.watched())

    def _conclude(self, row: StepRow, outcome: Outcome) -> None:
        journal.concluded(self.lease, self.actor, Phase(row.phase), row.number, outcome)
        self.reporter.note(f"    {outcome.verdict}: {outcome.sentence}")

    def is_cancelled(self) -> bool:
        with self.site.store.reading() as session:
            run = journal.find(session, self.lease.run)
            self._require_fence(run)
            return run.cancelled_by is not None


def _why_not(action: str, error: Exception) -> str:
    """Why a step can't be performed by this omc, as a sentence."""
    if isinstance(error, NotRegistered | ImportError):
        return f"this omc can't perform {action}, which it lacks: another version made the plan."
    if isinstance(error, Misfit):
        return f"an earlier step's output is not what {action} takes: {error}."
    return f"an earlier step has no output {error}, which {action} needs."


def token_of(run: str, phase: str, step: str) -> str:
    """The client token of a step: the same at every attempt, in whatever process."""
    return hashlib.sha256(f"{run} {phase} {step}".encode()).hexdigest()[:32]


@dataclass(slots=True)
class _Step:
    """One step in the hands of a runner."""

    runner: Runner
    run: Run
    row: StepRow
    action: Action[Any]
    arguments: Arguments
    title: str
    deadline: float
    pause: float = FIRST_PAUSE
    problem: str = ""
    """Why AWS could not be asked the last time."""

    @property
    def at(self) -> tuple[Lease, str, Phase, int]:
        return self.runner.lease, self.runner.actor, Phase(self.row.phase), self.row.number

    def context(self) -> Context:
        memory: dict[str, Any] = dict(self.row.checkpoint)

        def remember(more: Mapping[str, Any]) -> None:
            memory.update(journal.checkpoint(*self.at, more))

        return Context(
            gateway=self.runner.site.writes,
            environment=self.runner.site.environment,
            run=self.run.id,
            step=self.row.name,
            token=token_of(self.run.id, self.row.phase, self.row.name),
            now=self.runner.site.store.now,
            checkpoint=remember,
            state=memory,
            report=lambda text: self.runner.reporter.waiting(f"{self.row.name}: {text}"),
            cancelled=self._cancelled if self.row.phase == Phase.PERFORM else lambda: False,
            store=self.runner.site.store,
        )

    def _cancelled(self) -> bool:
        """For an effect under way. Nothing that happens to the record or to our lease may end that; a cancel counts
        for it also when another process has the run by now."""
        try:
            with self.runner.site.store.reading() as session:
                return journal.find(session, self.run.id).cancelled_by is not None
        except StoreUnreachable:
            return False

    # Each of the two returns the outcome, or None when the effect is there and is to be watched.

    def effect(self) -> Outcome | None:
        """Make the effect unless it is there; after a failure that may have come too late, look before another try."""
        while True:
            self.row = journal.intend(*self.at)
            context = self.context()
            there, outcome = self._asked("look", partial(self.action.is_applied, context, self.arguments))
            if outcome is not None:
                return outcome
            if there is None:  # it could not be asked
                if self._overdue():
                    return self._unknown()
                self._wait()
                continue
            if there:
                self.row = journal.performed(*self.at, dict(context.state), already=True)
                return None
            if outcome := self._too_late_to_begin():
                return outcome
            self.runner.lease.check()
            found, outcome = self._asked("perform", partial(self._perform, context))
            if outcome is not None:
                return outcome
            if found is not None:
                self.row = journal.performed(*self.at, {**context.state, **found}, already=False)
                return None
            self._wait()

    def watched(self) -> Outcome:
        """Ask until there is an outcome, the deadline has passed or somebody cancels."""
        request = False
        while True:
            context = self.context()
            if request and self.row.phase == Phase.PERFORM and self.runner.is_cancelled():
                return self._left(
                    Outcome(Verdict.CANCELLED, f"{self.title}: cancelled while it was under way."), context
                )
            outcome, problem = self._asked("watch", partial(self.action.poll, context, self.arguments))
            if outcome is not None or problem is not None:
                return outcome or problem  # type: ignore[return-value]  # one of them is not None
            if dict(context.state) != self.row.checkpoint:
                self.row.checkpoint = dict(context.state)
            if self._overdue():
                return self._left(self._unknown(), context)
            request = True
            if self.problem:
                self._wait()
            else:
                self._rest(self.action.poll_interval)

    def _perform(self, context: Context) -> Mapping[str, Any]:
        return self.action.apply(context, self.arguments) or {}  # an action that forgets to return is none the worse

    def _asked(self, what: str, call: Callable[[], Any]) -> tuple[Any, Outcome | None]:
        """What a function of the action returned; or None, where it is to be asked again; or the outcome."""
        try:
            answer = call()
        except (journal.LostLease, StoreUnreachable):
            raise
        except (NoCredentials, BadCredentials) as error:
            raise RunPaused(
                f"{error.message} The run {self.run.id} stays where it is; then continue with: "
                f"omc runs resume {self.run.id}"
            ) from error
        except Interrupted as error:
            evidence = {**error.evidence, **({CUT_SHORT: True} if error.has_begun else {})}
            return None, Outcome(error.verdict, f"{self.title}: {error.message}", evidence)
        except OmcError as error:
            if isinstance(error, Unknown) and not isinstance(error, AwsRefused | AccessDenied):
                self.problem = error.message
                return None, None
            return None, self._refused(what, error.message)
        except KeyError as error:
            if what == "perform":
                return None, self._bug(what, error)
            self.problem = f"AWS's answer lacks {error}."  # as when facts are read: it is asked again
            return None, None
        except Exception as error:  # noqa: BLE001 - whatever an action's bug is, the run has to come to an end
            return None, self._bug(what, error)
        self.problem, self.pause = "", FIRST_PAUSE
        return answer, None

    def _refused(self, what: str, message: str) -> Outcome:
        """AWS said no for good. Nothing happened if it was the effect that it refused."""
        if what == "perform" or (what == "look" and self.row.attempts == 1):
            return Outcome(Verdict.FAILED, f"{self.title}: {message}")
        return Outcome(Verdict.UNKNOWN, f"{self.title}: there is no way to find out how it went. {message}")

    def _bug(self, what: str, error: Exception) -> Outcome:
        message = (
            f"{self.title}: a bug in {self.action.name} ({what}): {type(error).__name__}: {error}. Please report it."
        )
        nothing_done = what == "look" and self.row.attempts == 1
        return Outcome(Verdict.FAILED if nothing_done else Verdict.UNKNOWN, message)

    def _too_late_to_begin(self) -> Outcome | None:
        """The effect isn't there. Whether it is still wanted."""
        if self.row.phase == Phase.PERFORM and self.runner.is_cancelled():
            return Outcome(Verdict.CANCELLED, f"{self.title}: cancelled before it was done.")
        if self.row.attempts > 1 and self._overdue():
            why = f": {self.problem}" if self.problem else ""
            return Outcome(Verdict.FAILED, f"{self.title}: not done within {self.deadline:.0f} s{why}.")
        return None

    def _unknown(self) -> Outcome:
        reason = self.problem or "It hasn't ended, and nothing says that it failed."
        return Outcome(Verdict.UNKNOWN, f"{self.title}: not known after {self.deadline:.0f} s. {reason}")

    def _left(self, outcome: Outcome, context: Context) -> Outcome:
        """The outcome of an effect that is there and isn't watched to its end, with what goes on of it."""
        return replace(
            outcome, sentence=f"{outcome.sentence} {self.action.pending_notice(context, self.arguments)}".rstrip()
        )

    def _overdue(self) -> bool:
        began = self.row.intended_at
        return began is not None and self.runner.site.store.now() >= began + timedelta(seconds=self.deadline)

    def _wait(self) -> None:
        """Back off after AWS could not answer."""
        self.runner.reporter.waiting(f"{self.row.name}: trying again in {self.pause:.1f} s. {self.problem}")
        self._rest(self.pause)
        self.pause = min(LONGEST_PAUSE, 2 * self.pause)

    def _rest(self, seconds: float) -> None:
        """Sleep, but see within a second that the run was cancelled."""
        while seconds > 0:
            piece = min(seconds, LOOK_FOR_CANCEL)
            self.runner.sleep(piece)
            seconds -= piece
            if seconds > 0 and self.row.phase == Phase.PERFORM and self.runner.is_cancelled():
                return
