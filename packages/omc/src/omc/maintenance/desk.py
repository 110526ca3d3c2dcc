"""What people do with a maintenance, for the command line and the API alike: each is decided on what has happened, and
two who are at it at once get one event and one sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from omc.config import Stack
from omc.errors import Refused, WrongUse
from omc.maintenance.checklist import Part, item_named
from omc.maintenance.model import (
    Aborted,
    ItemSigned,
    Maintenance,
    Noted,
    Payload,
    Resumed,
    Started,
    StepSigned,
    StepStatus,
    open_items,
    request_of,
)
from omc.maintenance.records import change, message_to, read
from omc.output.text import counted
from omc.store.opened import Store

Decide: TypeAlias = Callable[[Maintenance, datetime], Payload]
MAX_DIGITS = 5
"""Of a step's number."""
MAX_TEXT = 2_000
"""Characters of what a person writes."""


@dataclass(frozen=True, slots=True)
class Desk:
    """One maintenance, for one person."""

    store: Store
    stack: Stack
    environment: str
    number: int
    actor: str
    link: str | None = None

    def start(self) -> Maintenance:
        """Have its checklist begun. ``Refused`` where somebody has."""
        return self._change(start)

    def resume(self, reason: str, override: str = "") -> Maintenance:
        """Have one that stopped go on. One that didn't, or that is being undone, is left as it is."""
        found = read(self.store, self.environment, self.number)
        if not found.is_over and (found.aborted_at is not None or (found.started_at is not None and not found.stopped)):
            return found
        return self._change(lambda now_is, _: resume(now_is, reason, override))

    def sign(self, what: str, evidence: str) -> Maintenance:
        """Answer for an item of the checklist, by its name, or for a step that is a person's, by its number."""
        return self._change(lambda found, now: sign(found, now, what, _text(evidence, "--evidence")))

    def note(self, text: str) -> Maintenance:
        """A line in the timeline."""
        return self._change(lambda _found, _now: Noted(_text(text, "TEXT")))

    def abort(self, reason: str) -> Maintenance:
        """Have what was done taken back, the latest first."""
        found = read(self.store, self.environment, self.number)
        what = "aborted by" if found.started_at is not None else "called off by"
        tell = message_to(self.stack, found, "aborted", f"{what} {self.actor}. {reason.strip()}")
        return change(
            self.store,
            self.environment,
            self.number,
            self.actor,
            lambda now_is, _: abort(now_is, _text(reason, "--reason")),
            link=self.link,
            tell=tell,
        )

    def finish(self, runbook: str) -> Maintenance:
        """Say what is to change in the runbook, or that nothing is: the last item."""
        return self._change(lambda found, _: finish(found, _text(runbook, "--runbook")))

    def _change(self, decide: Decide) -> Maintenance:
        return change(self.store, self.environment, self.number, self.actor, decide, link=self.link)


def start(found: Maintenance, now: datetime) -> Payload:
    see = f"See: omc maintenance status {found.number} --env {found.environment}"
    if found.is_over:
        raise WrongUse(f"{_capital(found.name)} is over: {found.verdict}. {see}")
    if found.aborted_at is not None:
        raise Refused(f"{found.aborted_by} aborted {found.name}; it is being undone. {see}")
    if found.started_at is not None:
        raise Refused(
            f"{found.started_by} started {found.name} already. To go on with it here, beside whoever performs it: "
            f"omc maintenance start {found.number} --resume --env {found.environment}"
        )
    if now >= found.end:
        raise Refused(f"The window of {found.name} is over, and nothing was begun. Plan it again: omc maintenance plan")
    return Started()


def resume(found: Maintenance, reason: str, override: str = "") -> Payload:
    _require_under_way(found)
    if not found.stopped:
        raise Refused(f"Somebody had {found.name} go on already.")
    if not reason.strip():
        raise WrongUse(f"{_capital(found.name)} has stopped: {found.stopped} To go on, say why: --reason TEXT")
    return Resumed(reason.strip()[:MAX_TEXT], override.strip()[:MAX_TEXT])


def sign(found: Maintenance, now: datetime, what: str, evidence: str) -> Payload:
    if found.is_over or found.aborted_at is not None:
        raise Refused(f"{_capital(found.name)} is {found.phase}; there is nothing to sign.")
    if what.isdecimal() and len(what) < MAX_DIGITS:
        return _sign_step(found, now, int(what), evidence)
    item, state = item_named(what), found.items[item_named(what).name]
    if state.holds:
        raise Refused(f"The item {item.name} is {state.status} already, by {state.by}: {state.sentence}")
    return ItemSigned(item.name, evidence, is_exception=not item.is_for_people)


def _sign_step(found: Maintenance, now: datetime, number: int, evidence: str) -> Payload:
    if not 1 <= number <= len(found.steps):
        raise WrongUse(f"{_capital(found.name)} has {counted(len(found.steps), 'step')}, and no step {number}.")
    wanted, state = request_of(found, number), found.steps[number - 1]
    if wanted.procedure:
        raise WrongUse(f"omc performs step {number} by {wanted.procedure}; nobody signs it.")
    if state.status is not StepStatus.OPEN:
        raise Refused(f"Step {number} is {state.status} already, by {state.by}: {state.sentence}")
    _require_under_way(found)
    if before := open_items(found, Part.BEFORE):
        raise Refused(f"Step {number} isn't due yet: the checklist before it has open items ({', '.join(before)}).")
    if now < found.begin:
        raise Refused(f"Step {number} isn't due yet: the window isn't open.")
    earlier = [place for place, each in enumerate(found.steps[: number - 1], 1) if each.status is not StepStatus.DONE]
    if earlier:
        raise Refused(f"Step {number} isn't due yet: step {earlier[0]} comes first.")
    return StepSigned(number, evidence)


def abort(found: Maintenance, reason: str) -> Payload:
    if found.is_over:
        raise WrongUse(f"{_capital(found.name)} is over: {found.verdict}.")
    if found.aborted_at is not None:
        raise Refused(f"{found.aborted_by} aborted {found.name} already: {found.aborted_why}")
    return Aborted(reason)


def finish(found: Maintenance, runbook: str) -> Payload:
    _require_under_way(found)
    left = [number for number, each in enumerate(found.steps, 1) if each.status is not StepStatus.DONE]
    if left:
        raise Refused(f"{_capital(found.name)} isn't done: step {left[0]} is {found.steps[left[0] - 1].status}.")
    missing = [name for name in (*open_items(found, Part.BEFORE), *open_items(found, Part.AFTER)) if name != "runbook"]
    if missing:
        raise Refused(f"{_capital(found.name)} isn't done: {', '.join(missing)} of its checklist is open.")
    if found.items["runbook"].holds:
        raise Refused(f"{found.items['runbook'].by} said already what is to change in the runbook.")
    return ItemSigned("runbook", runbook, is_exception=False)


def _require_under_way(found: Maintenance) -> None:
    if found.is_over:
        raise WrongUse(f"{_capital(found.name)} is over: {found.verdict}.")
    if found.aborted_at is not None:
        raise Refused(f"{found.aborted_by} aborted {found.name}; it is being undone.")
    if found.started_at is None:
        raise Refused(f"{_capital(found.name)} hasn't been started: omc maintenance start {found.number}")


def _text(text: str, option: str) -> str:
    if not text.strip():
        raise WrongUse(f"Nothing was recorded: {option} is empty.")
    return text.strip()[:MAX_TEXT]


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
