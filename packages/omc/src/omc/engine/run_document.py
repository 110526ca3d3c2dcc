"""A run as a document: while it waits, and with its evidence when it has ended. Runs and timers as a list."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from omc.engine import processes
from omc.engine.heartbeats import RunStatus
from omc.engine.run_history import RunDetails
from omc.engine.transitions import State
from omc.model.plan import from_json
from omc.output.document import (
    Block,
    Document,
    Field,
    Fields,
    Literal,
    Notice,
    Paragraph,
    Row,
    Section,
    Severity,
    Status,
    Table,
    Verdict,
)
from omc.output.values import fields_of
from omc.store.models import Approval, Run, StepRow, Timer
from omc.times import format_duration, format_time, iso

EXIT_CODES: Mapping[str, int] = {
    "succeeded": 0,
    "failed": 1,
    "unknown": 3,
    "rolled back": 4,
    "superseded": 5,
    "cancelled": 7,
}
"""A verdict's exit code."""
WAITS = 6
"""The run waits for an approval."""
SEVERITIES: Mapping[str, Severity] = {
    "succeeded": Severity.OK,
    "failed": Severity.FAILURE,
    "unknown": Severity.UNKNOWN,
    "rolled back": Severity.WARNING,
}


def exit_code_of(run: Run) -> int:
    """What a command that saw the run so ends with."""
    if run.state == State.AWAITING:
        return WAITS
    return EXIT_CODES.get(run.verdict or "unknown", 3)


def heading(title: str, environment: str) -> str:
    """The title with its environment, which most titles name themselves."""
    named = re.search(rf"(?<![\w.-]){re.escape(environment)}(?![\w-])", title)
    return title if named else f"{title}, {environment}"


def run_document(account: RunDetails, zone: str, heard: RunStatus | None = None, *, was_told: bool = False) -> Document:
    """The run and each step with times, verdict and evidence. ``heard``: whether somebody performs it just now.
    ``was_told``: whoever reads it saw the steps as they were performed, so where all succeeded they aren't listed."""
    run = account.run
    word = heard.state if heard else run.verdict or run.state
    rows = tuple(_step_row(account, row) for row in account.steps)
    blocks: list[Block] = [Fields(tuple(_facts(account, zone)))]
    if not rows:
        blocks.append(Paragraph("It has no steps."))
    elif was_told and run.verdict == "succeeded":
        blocks.append(Paragraph(f"Each step with its evidence: omc runs show {run.id} --env {run.environment}"))
    else:
        blocks.append(Table(("", "verdict", "took", "step", ""), rows, below=1))
    blocks += [_timer(timer, account.workers, zone) for timer in account.timers]
    if heard and not heard.is_active:
        blocks.append(Paragraph(heard.sentence))
    elif heard and run.holder and run.state != State.ENDED:
        blocks.append(Paragraph(f"{processes.shown(run.holder)} performs it."))
    return Document(
        heading(run.title, run.environment),
        tuple(blocks),
        verdict=Verdict(_status(word), run.sentence or ""),
        data=_data(account, heard),
    )


def _timer(timer: Timer, workers: int, zone: str) -> Block:
    """Who performs a timer that the run set and that is still to come; loudly where nobody would."""
    due = f"The timer {timer.id} is due {format_time(timer.due_at, zone)}: {timer.why}."
    if workers:
        return Paragraph(f"{due} A worker is alive and performs it.")
    start = f"omc worker --env {timer.environment}"
    return Notice(
        Status("Nobody performs it", Severity.WARNING),
        f"{due} No worker is alive, so it waits until one is. Start one that stays: {start} (docs/worker.md)",
    )


def _facts(account: RunDetails, zone: str) -> list[Field]:
    run = account.run
    undoes = f", undoes {run.undo_of}" if run.undo_of else ""
    facts = [
        Field("run", (Literal(run.id), ", plan ", Literal(run.plan_hash[:12]), f", risk {run.risk}{undoes}")),
        Field("by", by_in_words(run)),
        Field("planned", format_time(run.created_at, zone)),
    ]
    if run.started_at:
        facts.append(Field("began", format_time(run.started_at, zone)))
    if run.ended_at:
        took = f", after {format_duration(run.ended_at - run.started_at)}" if run.started_at else ""
        facts.append(Field("ended", format_time(run.ended_at, zone) + took))
    if run.cancelled_by:
        facts.append(Field("cancelled", f"by {run.cancelled_by}"))
    facts += [Field("approval", approval_in_words(approval, zone)) for approval in account.approvals]
    if run.approvals_needed:
        facts.append(Field("policy", f"{run.approvals_needed} to approve, for {run.approvals_expire_minutes} min"))
    return facts


def _step_row(account: RunDetails, row: StepRow) -> Row:
    plan = from_json(account.run.plan)
    titles = {step.name: step.title for step in plan.steps}
    words = {step.name: step.undo.description for step in plan.steps if step.undo}
    title = f"undo: {words.get(row.name, row.name)}" if row.phase == "undo" else titles.get(row.name, row.name)
    took = format_duration(row.ended_at - row.intended_at) if row.ended_at and row.intended_at else ""
    attempts = f" (attempt {row.attempts})" if row.attempts > 1 else ""
    cells = (f"  {row.number}", _status(row.verdict or row.state), took, title + attempts, row.sentence or "")
    return Row(cells, fields_of(row.evidence) if row.evidence else ())


def _status(word: str) -> Status:
    return Status(word, SEVERITIES.get(word, Severity.NONE))


def by_in_words(run: Run) -> str:
    """Who asked, how that is known, and where it can be looked at."""
    message = run.actor_known or run.actor
    return message + (f" ({run.actor_link})" if run.actor_link and run.actor_link not in message else "")


def approval_in_words(approval: Approval, zone: str) -> str:
    """Who, when, until when, and loudly if the policy was passed over."""
    message = f"{approval.known or approval.by}, {format_time(approval.at, zone)}"
    if approval.link and approval.link not in message:
        message += f" ({approval.link})"
    if approval.break_glass:
        return f"BREAK-GLASS by {message}: {approval.break_glass} (incident {approval.incident})"
    return message + (", lost: the plan was stale" if approval.lost_at else "")


def runs_document(
    runs: Sequence[Run], timers: Sequence[Timer], zone: str, heard: Mapping[str, RunStatus], workers: int
) -> Document:
    """Runs, the newest first, and below them the timers that are to come. ``workers``: how many are alive."""
    rows = [
        Row(
            (
                run.id,
                run.environment,
                _status(heard[run.id].state),
                format_time(run.created_at, zone),
                run.actor,
                run.title,
                heard[run.id].sentence,
            )
        )
        for run in runs
    ]
    columns = ("run", "environment", "state", "planned", "by", "", "")
    blocks: list[Block] = [Table(columns, tuple(rows), below=1) if rows else Paragraph("No run yet.")]
    if timers:
        cells = [
            (each.id, each.environment, each.procedure, format_time(each.due_at, zone), each.actor, _why(each))
            for each in timers
        ]
        to_come = Table(("timer", "environment", "procedure", "due", "by", ""), tuple(map(Row, cells)))
        blocks.append(Section("to come", (to_come,)))
    if timers and not workers:
        where = ", ".join(f"omc worker --env {name}" for name in sorted({timer.environment for timer in timers}))
        blocks.append(Paragraph(f"No worker is running that would perform them. Start one: {where}"))
    return Document("", tuple(blocks), data=_runs_data(runs, timers, heard) | {"workers": workers})


def _data(account: RunDetails, heard: RunStatus | None) -> dict[str, Any]:
    run = account.run
    return {
        "run": run.id,
        "environment": run.environment,
        "procedure": run.procedure,
        "title": run.title,
        "risk": run.risk,
        "actor": run.actor,
        "actor_link": run.actor_link,
        "actor_known": run.actor_known,
        "actor_person": run.actor_person,
        "state": run.state,
        **_heard(heard),
        "verdict": run.verdict,
        "exit_code": exit_code_of(run),
        "sentence": run.sentence,
        "planned_at": iso(run.created_at),
        "began_at": iso(run.started_at),
        "ended_at": iso(run.ended_at),
        "cancelled_by": run.cancelled_by,
        "undo_of": run.undo_of,
        "timer": run.timer,
        "plan": {**run.plan, "hash": run.plan_hash},
        "approvals_needed": run.approvals_needed,
        "approvals": [
            {
                "by": approval.by,
                "known": approval.known,
                "person": approval.person,
                "link": approval.link,
                "at": iso(approval.at),
                "expires_at": iso(approval.expires_at),
                "lost_at": iso(approval.lost_at),
                "break_glass": approval.break_glass,
                "incident": approval.incident,
            }
            for approval in account.approvals
        ],
        "steps": [
            {
                "phase": row.phase,
                "number": row.number,
                "name": row.name,
                "state": row.state,
                "attempts": row.attempts,
                "verdict": row.verdict,
                "sentence": row.sentence,
                "evidence": row.evidence,
                "intended_at": iso(row.intended_at),
                "performed_at": iso(row.performed_at),
                "ended_at": iso(row.ended_at),
            }
            for row in account.steps
        ],
        "timers": [{"timer": timer.id, "due_at": iso(timer.due_at), "why": timer.why} for timer in account.timers],
        "workers": account.workers,
        "record": account.head,
    }


def _heard(heard: RunStatus | None) -> dict[str, Any]:
    """Whether somebody performs it just now, and what to do where nobody does."""
    if heard is None:
        return {}
    return {"continues": heard.is_active, "heard_of_at": iso(heard.at), "what_to_do": heard.sentence}


def _runs_data(runs: Sequence[Run], timers: Sequence[Timer], heard: Mapping[str, RunStatus]) -> dict[str, Any]:
    return {
        "runs": [
            {
                "run": run.id,
                "environment": run.environment,
                "procedure": run.procedure,
                "title": run.title,
                "actor": run.actor,
                "state": run.state,
                **_heard(heard[run.id]),
                "verdict": run.verdict,
                "planned_at": iso(run.created_at),
                "ended_at": iso(run.ended_at),
            }
            for run in runs
        ],
        "timers": [
            {
                "timer": timer.id,
                "environment": timer.environment,
                "procedure": timer.procedure,
                "request": timer.request,
                "why": timer.why,
                "due_at": iso(timer.due_at),
                "actor": timer.actor,
                "made_by": timer.made_by,
            }
            for timer in timers
        ],
    }


def _why(timer: Timer) -> str:
    return timer.why + (f" (put off: {timer.sentence})" if timer.sentence else "")
