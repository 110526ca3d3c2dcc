"""A plan, shown: before it is performed, and as what was performed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omc.cli.table import Row, table
from omc.cli.wording import leaves, short
from omc.model.plan import Plan, to_json
from omc.output import fenced, line, markdown, style, table_row
from omc.procedures.infrastructure_summary import detail_lines
from omc.stack import Environment
from omc.store.redaction import without_secrets

RISKS = {"low": "green", "high": "yellow", "destructive": "red"}


def as_table(
    plan: Plan, commands: Sequence[str], environment: Environment, *, width: int, colour: bool, full: bool = False
) -> str:
    """For a person: what changes, what it may cost, how it is undone, what it rests on, and the same by hand."""
    risk = style(plan.risk.value, fg=RISKS[plan.risk.value], bold=True) if colour else plan.risk.value
    where = line(f"{plan.environment} ({environment.cluster} in {environment.region})")
    parts = [f"{line(plan.title)}\n{where}, risk {risk}"]
    parts += ["\n".join(f"! {line(sentence)}" for sentence in plan.refusals)] if plan.refusals else []
    parts += ["\n".join(f"- {line(sentence)}" for sentence in plan.notes)] if plan.notes else []
    if plan.details:
        parts.append("\n".join(["What changes", *(f"  {line(each)}" for each in details(plan, full=full))]))
    rows = []
    for number, step in enumerate(plan.steps, start=1):
        below = [f"{step.before or '(nothing)'} → {step.after or '(nothing)'}"] if step.before or step.after else []
        if step.undo:
            below.append(f"undo: {step.undo.description}")
        rows.append(Row((f"  {number}", step.title), tuple(below)))
    parts.append(table(rows, width=width, colour=colour) if rows else "There is nothing to do.")
    if facts := _facts(plan):
        rows = [Row((f"  {name}", short(value))) for name, value in facts]
        parts.append("It rests on\n" + table(rows, width=width))
    if commands:
        parts.append("The same by hand\n" + "\n".join(f"  {line(command)}" for command in commands))
    undone = "undone in reverse order" if plan.undo_on_failure else "left as it is then"
    parts.append(f"If a step fails, what was done is {undone}. Plan {plan.hash[:12]}")
    return "\n\n".join(parts)


def _facts(plan: Plan) -> list[tuple[str, Any]]:
    """What the plan rests on, line by line; an empty list tells a reader nothing."""
    return [(name, value) for name, value in leaves(without_secrets(plan.preconditions)) if value != []]


def details(plan: Plan, *, full: bool) -> list[str]:
    """What the steps change, value by value. Without ``full``, what few readers care for is only counted."""
    lines = []
    for one in plan.details:
        lines += [one.headline, *(f"    {detail}" for detail in detail_lines(one, full=full))]
    left_out = 0 if full else sum(value[4] for one in plan.details for value in one.values)
    return [*lines, *([f"{left_out} more values of what is new, replaced or destroyed: --full"] if left_out else [])]


def as_markdown(plan: Plan, commands: Sequence[str], environment: Environment, *, full: bool = False) -> str:
    """For a ticket or a pull request."""
    where = markdown(f"{plan.environment} ({environment.cluster} in {environment.region})")
    lines = [f"## {markdown(plan.title)}", "", f"{where}, "]
    lines[-1] += f"risk **{plan.risk.value}**, plan `{plan.hash[:12]}`"
    for sentence in plan.refusals:
        lines += ["", f"**Refused:** {markdown(sentence)}"]
    if plan.notes:
        lines += ["", *(f"- {markdown(sentence)}" for sentence in plan.notes)]
    if plan.details:
        lines += ["", *fenced(details(plan, full=full))]
    lines += ["", "| | step | before | after | undo |", "|---|---|---|---|---|"]
    for number, step in enumerate(plan.steps, start=1):
        cells = (str(number), step.title, step.before, step.after, step.undo.description if step.undo else "")
        lines.append(table_row(cells))
    if facts := _facts(plan):
        lines += ["", "Rests on:", "", *(f"- {markdown(f'{name}: {short(value)}')}" for name, value in facts)]
    if commands:
        lines += ["", "### The same by hand", "", *fenced(commands, "bash")]
    return "\n".join(lines)


def as_document(plan: Plan, commands: Sequence[str] = ()) -> dict[str, Any]:
    """For programs. Keys are added, never renamed."""
    return {**to_json(plan), "hash": plan.hash, "commands": list(commands)}
