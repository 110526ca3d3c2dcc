"""A run, shown: while it waits, and with its evidence when it has ended."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from omc.cli.table import Row, table
from omc.cli.wording import leaves, short
from omc.engine.heartbeats import RunStatus
from omc.engine.run_history import RunDetails
from omc.engine.transitions import State
from omc.model.plan import from_json
from omc.output import line, markdown, style, table_row
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
COLOURS = {"succeeded": "green", "failed": "red", "unknown": "magenta", "rolled back": "yellow"}
LONGEST_EVIDENCE = 16
"""Lines of evidence of a step in the table; JSON and Markdown have all of it."""
LONGEST_LINE = 100
ITEMS_SHOWN = 4


def exit_code_of(run: Run) -> int:
    """What a command that saw the run so ends with."""
    if run.state == State.AWAITING:
        return WAITS
    return EXIT_CODES.get(run.verdict or "unknown", 3)


def heading(title: str, environment: str) -> str:
    """The title with its environment, which most titles name themselves."""
    named = re.search(rf"(?<![\w.-]){re.escape(environment)}(?![\w-])", title)
    return title if named else f"{title}, {environment}"


def as_table(account: RunDetails, zone: str, heard: RunStatus | None = None, *, width: int, colour: bool) -> str:
    """The run and each step with times, verdict and evidence."""
    run = account.run
    facts = [
        (
            "  run",
            f"{run.id}, plan {run.plan_hash[:12]}, risk {run.risk}"
            + (f", undoes {run.undo_of}" if run.undo_of else ""),
        ),
        ("  by", by_in_words(run)),
        ("  planned", format_time(run.created_at, zone)),
    ]
    if run.started_at:
        facts.append(("  began", format_time(run.started_at, zone)))
    if run.ended_at:
        took = f", after {format_duration(run.ended_at - run.started_at)}" if run.started_at else ""
        facts.append(("  ended", format_time(run.ended_at, zone) + took))
    if run.cancelled_by:
        facts.append(("  cancelled", f"by {run.cancelled_by}"))
    facts += [("  approval", approval_in_words(approval, zone)) for approval in account.approvals]
    if run.approvals_needed:
        facts.append(("  policy", f"{run.approvals_needed} to approve, for {run.approvals_expire_minutes} min"))
    parts = [line(heading(run.title, run.environment)), table([Row(fact) for fact in facts], width=width)]
    parts.append(table([_step_row(account, row) for row in account.steps], width=width) or "It has no steps.")
    parts.append(verdict_line(run, heard, colour=colour))
    return "\n\n".join(parts)


def _step_row(account: RunDetails, row: StepRow) -> Row:
    titles = {step.name: step.title for step in from_json(account.run.plan).steps}
    words = {step.name: step.undo.description for step in from_json(account.run.plan).steps if step.undo}
    title = f"undo: {words.get(row.name, row.name)}" if row.phase == "undo" else titles.get(row.name, row.name)
    took = format_duration(row.ended_at - row.intended_at) if row.ended_at and row.intended_at else ""
    attempts = f" (attempt {row.attempts})" if row.attempts > 1 else ""
    below = [row.sentence] if row.sentence else []
    evidence = [each for name, value in leaves(row.evidence) for each in _lines(name, value)]
    below += evidence[:LONGEST_EVIDENCE]
    if len(evidence) > LONGEST_EVIDENCE:
        below.append(f"and {len(evidence) - LONGEST_EVIDENCE} more (--output json shows all)")
    return Row((f"  {row.number}", row.verdict or row.state, took, title + attempts), tuple(below))


def _lines(name: str, value: Any) -> list[str]:
    """One piece of evidence: on a line, or where it is a list of sentences the first few of them on one each."""
    whole = f"{name}: {short(value)}"
    if not isinstance(value, list) or len(whole) <= LONGEST_LINE:
        return [whole]
    more = [f"- and {len(value) - ITEMS_SHOWN} more"] if len(value) > ITEMS_SHOWN else []
    return [f"{name}:", *(f"- {short(item)}" for item in value[:ITEMS_SHOWN]), *more]


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


def verdict_line(run: Run, heard: RunStatus | None = None, *, colour: bool) -> str:
    """How it ended, or where it is."""
    word = heard.state if heard else run.verdict or run.state
    shown = style(word.upper(), fg=COLOURS.get(word), bold=True) if colour else word.upper()
    return f"{shown}: {line(run.sentence)}" if run.sentence else f"{shown}."


def as_document(account: RunDetails, heard: RunStatus | None = None) -> dict[str, Any]:
    """For programs. Keys are added, never renamed; times are ISO 8601 in UTC."""
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
        "record": account.head,
    }


def _heard(heard: RunStatus | None) -> dict[str, Any]:
    """Whether somebody performs it just now, and what to do where nobody does."""
    if heard is None:
        return {}
    return {"goes_on": heard.is_active, "heard_of_at": iso(heard.at), "what_to_do": heard.sentence}


def as_markdown(account: RunDetails, zone: str, heard: RunStatus | None = None) -> str:
    """For a ticket."""
    run = account.run
    lines = [
        f"## {markdown(heading(run.title, run.environment))}",
        "",
        f"**{markdown(verdict_line(run, heard, colour=False))}**",
        "",
    ]
    lines += [f"- Run `{run.id}`, plan `{run.plan_hash[:12]}`, risk {run.risk}, by {markdown(by_in_words(run))}"]
    lines += [f"- Planned {format_time(run.created_at, zone)}"]
    lines += [f"- Began {format_time(run.started_at, zone)}"] if run.started_at else []
    lines += [f"- Ended {format_time(run.ended_at, zone)}"] if run.ended_at else []
    lines += [f"- Approved: {markdown(approval_in_words(approval, zone))}" for approval in account.approvals]
    lines += ["", "| | step | verdict | |", "|---|---|---|---|"]
    for row in account.steps:
        name = f"undo {row.name}" if row.phase == "undo" else row.name
        cells = (str(row.number), name, row.verdict or row.state, row.sentence or "")
        lines.append(table_row(cells))
    for row in account.steps:
        if row.evidence:
            lines += ["", f"**{markdown(row.name)}**", ""]
            lines += [f"- {markdown(f'{name}: {short(value)}')}" for name, value in leaves(row.evidence)]
    return "\n".join(lines)


def runs_table(
    runs: Sequence[Run], timers: Sequence[Timer], zone: str, heard: Mapping[str, RunStatus], *, width: int
) -> str:
    """Runs, the newest first, and below them the timers that are to come."""
    parts = []
    if runs:
        rows = [
            Row(
                (run.id, run.environment, heard[run.id].state, format_time(run.created_at, zone), run.actor, run.title),
                (heard[run.id].sentence,) if not heard[run.id].is_active else (),
            )
            for run in runs
        ]
        parts.append(table(rows, header=("run", "environment", "", "planned", "by", ""), width=width))
    else:
        parts.append("No run yet.")
    if timers:
        rows = [
            Row(
                (
                    timer.id,
                    timer.environment,
                    timer.procedure,
                    format_time(timer.due_at, zone),
                    timer.actor,
                    _why(timer),
                )
            )
            for timer in timers
        ]
        parts.append("to come\n" + table(rows, header=("timer", "environment", "", "due", "by", ""), width=width))
    return "\n\n".join(parts)


def runs_markdown(runs: Sequence[Run], timers: Sequence[Timer], zone: str, heard: Mapping[str, RunStatus]) -> str:
    lines = ["| run | environment | state | planned | by | |", "|---|---|---|---|---|---|"]
    for run in runs:
        state = ". ".join(part for part in (heard[run.id].state, heard[run.id].sentence) if part)
        cells = (run.id, run.environment, state, format_time(run.created_at, zone), run.actor, run.title)
        lines.append(table_row(cells))
    if timers:
        lines += ["", "| timer | environment | procedure | due | by | |", "|---|---|---|---|---|---|"]
    for timer in timers:
        due = format_time(timer.due_at, zone)
        cells = (timer.id, timer.environment, timer.procedure, due, timer.actor, _why(timer))
        lines.append(table_row(cells))
    return "\n".join(lines)


def runs_document(runs: Sequence[Run], timers: Sequence[Timer], heard: Mapping[str, RunStatus]) -> dict[str, Any]:
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
