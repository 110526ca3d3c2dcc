"""A plan as a document: before it is performed, and as what was performed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from omc.config import Environment
from omc.model.plan import Plan, Step, to_json
from omc.output.document import (
    Block,
    CodeBlock,
    Document,
    Fields,
    Items,
    Literal,
    Notice,
    Paragraph,
    Row,
    Section,
    Severity,
    Status,
    Table,
)
from omc.output.values import fields_of
from omc.procedures.infrastructure_summary import detail_lines
from omc.redaction import without_secrets

RISKS = {"low": Severity.OK, "high": Severity.WARNING, "destructive": Severity.FAILURE}
REFUSED = Status("Refused", Severity.FAILURE)


def plan_document(
    plan: Plan, commands: Sequence[str], environment: Environment, *, full: bool = False, explain: bool = True
) -> Document:
    """What changes and how it is undone; with ``explain`` also what it depends on, and ``commands``: the same by hand.

    Without ``full``, values that few readers care for are only counted."""
    where = f"{plan.environment} ({environment.cluster} in {environment.region}), risk "
    return Document(
        plan.title,
        (*_approval(plan, environment), *plan_blocks(plan, commands, full=full, explain=explain)),
        subtitle=(where, Status(plan.risk.value, RISKS[plan.risk.value]), ", plan ", Literal(plan.hash[:12])),
        data={**to_json(plan), "hash": plan.hash, "commands": list(commands)},
    )


def _approval(plan: Plan, environment: Environment) -> tuple[Block, ...]:
    """That the approvals which it needs can't be had from anybody whom omc.toml knows."""
    why = environment.nobody_to_approve(plan.risk.value)
    return (Paragraph(why),) if why else ()


def plan_blocks(plan: Plan, commands: Sequence[str], *, full: bool, explain: bool = True) -> tuple[Block, ...]:
    blocks: list[Block] = [Notice(REFUSED, sentence) for sentence in plan.refusals]
    if plan.notes:
        blocks.append(Items(plan.notes))
    if plan.details:
        blocks.append(Section("What changes", (CodeBlock(tuple(details(plan, full=full))),)))
    rows = tuple(_row(number, step) for number, step in enumerate(plan.steps, start=1))
    blocks.append(
        Table(("", "step", "change", "undo"), rows, below=2) if rows else Paragraph("There is nothing to do.")
    )
    if explain:
        blocks += _explained(plan, commands)
    undone = "undone in reverse order" if plan.undo_on_failure else "left as it is then"
    more = "" if explain else " What it rests on, and the same by hand: --explain"
    blocks.append(Paragraph(f"If a step fails, what was done is {undone}.{more}"))
    return tuple(blocks)


def _explained(plan: Plan, commands: Sequence[str]) -> Iterator[Block]:
    facts = tuple(field for field in fields_of(without_secrets(plan.preconditions)) if field.value != [])
    if facts:
        yield Section("It rests on", (Fields(facts),))
    if commands:
        yield Section("The same by hand", (CodeBlock(tuple(commands), "bash"),))


def _row(number: int, step: Step) -> Row:
    change = f"{step.before or '(nothing)'} → {step.after or '(nothing)'}" if step.before or step.after else ""
    return Row((f"  {number}", step.title, change, step.undo.description if step.undo else ""))


def details(plan: Plan, *, full: bool) -> list[str]:
    """What the steps change, value by value."""
    lines = []
    for one in plan.details:
        lines += [one.headline, *(f"    {detail}" for detail in detail_lines(one, full=full))]
    left_out = 0 if full else sum(value[4] for one in plan.details for value in one.values)
    return [*lines, *([f"{left_out} more values of what is new, replaced or destroyed: --full"] if left_out else [])]
