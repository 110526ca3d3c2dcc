"""What a plan file of Terraform's would do, as a document: what is lost by it first, then what follows from it, then
every change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omc.facts.infrastructure import SavedPlan
from omc.infrastructure.planned_change import PlannedChange
from omc.model.plan import Plan
from omc.output.document import Block, CodeBlock, Document, Items, Notice, Paragraph, Severity, Status
from omc.output.text import shell_word
from omc.procedures.infrastructure_summary import detail_lines, document, summary
from omc.procedures.plan_document import REFUSED

DATA_LOSS = "DATA LOSS"


def infrastructure_document(
    judged: Plan, saved: SavedPlan, request: PlannedChange, file: str, *, is_here: bool, full: bool = False
) -> Document:
    """``file``: the plan file. ``is_here``: the reader is at the machine that has it."""
    losses = [note for note in judged.notes if note.startswith(DATA_LOSS)]
    notes = tuple(note for note in judged.notes if note not in losses)
    blocks: list[Block] = [
        Notice(Status(DATA_LOSS, Severity.FAILURE), note.removeprefix(f"{DATA_LOSS}: "))
        for note in losses
        if not any(refusal.startswith(note) for refusal in judged.refusals)
    ]
    if notes:
        blocks.append(Items(notes))
    listed: list[str] = []
    for one in judged.details:
        listed += [one.headline, *(f"    {detail}" for detail in detail_lines(one, full=full))]
    if listed:
        blocks.append(CodeBlock(tuple(listed)))
    if not full and any(value[4] for one in judged.details for value in one.values):
        blocks.append(Paragraph("Not all values of what is new, replaced or destroyed are listed: --full lists them."))
    blocks += [Notice(REFUSED, each) for each in judged.refusals]
    blocks.append(_end(judged, saved, file if is_here else ""))
    return Document(judged.title, tuple(blocks), data=_data(judged, saved, request, file))


def nothing(environment: str, *, partial: bool) -> str:
    """What is said where a plan changes nothing."""
    if partial:
        return (
            f"Nothing is to be changed in this part of {environment}. The plan is ONLY A PART of the whole (-target, "
            f"or something is put off): of the rest it says nothing. See all: omc infra plan --env {environment}"
        )
    return f"Nothing is to be changed: {environment} is what the code says."


def _end(judged: Plan, saved: SavedPlan, file: str) -> Block:
    """What comes next; ``file`` is empty for a reader elsewhere."""
    response = summary(saved)
    if response.is_empty:
        return Paragraph(nothing(judged.environment, partial=response.is_partial))
    lines = [f"Fingerprint of the changes: {response.fingerprint}"]
    if file:
        lines.append(f"Plan file, which holds secrets: {file}")
        if not judged.refusals and judged.procedure != "infra-destroy":
            lines.append(f"Apply exactly this: omc infra apply --env {judged.environment} --plan {shell_word(file)}")
    return Items(tuple(lines))


def _data(judged: Plan, saved: SavedPlan, request: PlannedChange, file: str) -> Mapping[str, Any]:
    """Free of secrets."""
    more = {"plan": file, "sha256": request.sha256, "risk": judged.risk.value, "refusals": list(judged.refusals)}
    return document(saved) | more
