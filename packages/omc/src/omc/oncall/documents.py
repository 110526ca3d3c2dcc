"""What there is to say about being on call, as documents. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from omc.config.contact_tables import ContactTable
from omc.incidents.contacts import NONE, ways_of
from omc.judgement.escalation import Clocks
from omc.model.people import Person
from omc.model.typed_json import to_json
from omc.oncall.escalation import Clock, Escalation, Step, World, mitigation_step
from omc.oncall.events import Imported, OverrideAdded, RotaRecord, Undone
from omc.oncall.imports.draft import Change, Draft
from omc.oncall.model import Gap, Group, Rota, Shift, Tile
from omc.oncall.moments import shown_span
from omc.oncall.problems import LOSES_PAGES, Problem, reachability
from omc.oncall.subscriptions import Subscription
from omc.output.document import (
    Block,
    CodeBlock,
    Document,
    Field,
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
    Verdict,
)
from omc.output.text import counted
from omc.times import format_duration, format_time, iso

MAX_CHANGES = 30
"""A longer list of differences is cut; the data has them all."""
WARNING, FAILURE, OK = (
    Status("warning", Severity.WARNING),
    Status("failure", Severity.FAILURE),
    Status("ok", Severity.OK),
)


def names_of(people: Group, persons: Mapping[str, Person]) -> str:
    """``Jo Smith and bob``."""
    return " and ".join(persons[each].name if each in persons else each for each in people) or "nobody"


def now_document(
    tiles: Mapping[str, Tile], world: World, at: datetime, zone: str, contacts: Mapping[str, ContactTable] | None = None
) -> Document:
    """Who is on call in each rota at a moment, until when, and how they are reached; and who outside can help."""
    rows, evidence = [], []
    for name, tile in tiles.items():
        until = f"until {format_time(tile.end, zone)}"
        if isinstance(tile, Gap):
            rows.append(Row((name, Status("nobody", Severity.FAILURE), until, tile.reason)))
            continue
        problems = [reachability(world.persons.get(each), each, world.verified) for each in tile.people]
        evidence += [each[1] for each in problems if each is not None]
        reached = [
            f"{names_of((each,), world.persons)}: {', '.join(str(one) for one in world.persons[each].contacts)}"
            for each in tile.people
            if each in world.persons and world.persons[each].contacts
        ]
        rows.append(Row((name, names_of(tile.people, world.persons), until, "; ".join(reached) or "no contact")))
    blocks: list[Block] = [Table(("rota", "on call", "", "contacts"), tuple(rows)) if rows else _no_rotas()]
    blocks += [Notice(WARNING, sentence) for sentence in dict.fromkeys(evidence)]
    blocks.append(Section("Outside of the rotas", (_outside(contacts or {}),)))
    data = {
        "at": iso(at),
        "rotas": {name: tile_data(tile) for name, tile in tiles.items()},
        "contacts": [
            {"contact": id_, "name": each.name, "for": _called_for(each), "ways": list(ways_of(each, 1))}
            for id_, each in (contacts or {}).items()
        ],
    }
    return Document(f"On call at {format_time(at, zone)}", tuple(blocks), data=data)


def _outside(contacts: Mapping[str, ContactTable]) -> Table | Paragraph:
    """Whom nobody pages and everybody may call."""
    if not contacts:
        return Paragraph(NONE)
    rows = tuple(
        Row((each.name if not number else "", _called_for(each) if not number else "", way))
        for each in contacts.values()
        for number, way in enumerate(ways_of(each, 1))
    )
    return Table(("contact", "for", "how, in a SEV-1"), rows)


def _called_for(contact: ContactTable) -> str:
    return ", ".join((*(f"SEV-{each}" for each in contact.severities), *contact.groups))


def _no_rotas() -> Paragraph:
    return Paragraph("There is no rota: write [rotas.primary] into omc.toml, or import one with omc oncall import.")


def tile_data(tile: Tile) -> dict[str, Any]:
    """A shift or a gap for programs."""
    both = {"begin": iso(tile.begin), "end": iso(tile.end)}
    if isinstance(tile, Gap):
        return {**both, "people": [], "reason": tile.reason}
    return {**both, "people": list(tile.people), "origin": to_json(tile.origin)}


def schedule_document(
    rota: Rota, tiles: Sequence[Tile], record: RotaRecord, persons: Mapping[str, Person], begin: datetime, end: datetime
) -> Document:
    """A rota's shifts and gaps in a period, and what was recorded of it."""
    rows = tuple(
        Row(
            (
                format_time(each.begin, rota.zone),
                format_duration(each.end - each.begin),
                names_of(each.people, persons) if isinstance(each, Shift) else Status("nobody", Severity.FAILURE),
                str(each.origin) if isinstance(each, Shift) else each.reason,
            )
        )
        for each in tiles
    )
    blocks: list[Block] = [Table(("from", "for", "on call", "by"), rows)]
    if record.events:
        blocks.append(Section("What was recorded", (_recorded(record, rota.zone, persons),)))
    data = {"rota": rota.name, "zone": rota.zone, "shifts": [tile_data(each) for each in tiles]}
    data["events"] = [
        {
            "number": number,
            "at": iso(each.at),
            "by": each.by,
            "undone": number in record.undone,
            **_payload(each.payload),
        }
        for number, each in enumerate(record.events, start=1)
    ]
    return Document(f"{rota.name}, {shown_span(begin, end, rota.zone)}", tuple(blocks), data=data)


def _payload(payload: Any) -> dict[str, Any]:
    if isinstance(payload, Imported):
        return {"kind": "imported", "source": payload.source}
    if isinstance(payload, OverrideAdded | Undone):
        return {"kind": "undone" if isinstance(payload, Undone) else "override", **to_json(payload)}
    return {"kind": "unknown"}


def _recorded(record: RotaRecord, zone: str, persons: Mapping[str, Person]) -> Table:
    rows = []
    for number, event in enumerate(record.events, start=1):
        payload, what = event.payload, "what a newer omc recorded"
        if isinstance(payload, OverrideAdded):
            what = override_sentence(payload, zone, persons)
        elif isinstance(payload, Imported):
            what = f"imported from {payload.source}"
        elif isinstance(payload, Undone):
            what = f"{payload.number} is undone" + (f": {payload.reason}" if payload.reason else "")
        state = "undone" if number in record.undone else ""
        rows.append(Row((str(number), format_time(event.at, zone), event.by, what, state)))
    return Table(("number", "recorded", "by", "what", ""), tuple(rows))


def override_sentence(payload: OverrideAdded, zone: str, persons: Mapping[str, Person]) -> str:
    """Who is on call instead of whom, and when."""
    instead = f" instead of {names_of((payload.instead_of,), persons)}" if payload.instead_of else ""
    reason = f": {payload.reason}" if payload.reason else ""
    return f"{names_of(payload.people, persons)}{instead}, {shown_span(payload.begin, payload.end, zone)}{reason}"


def recorded_document(
    rota: Rota,
    number: int,
    sentence: str,
    differences: Sequence[Change],
    persons: Mapping[str, Person],
    undo_in: str = "",
) -> Document:
    """What was recorded, who is on call otherwise for it, and how it is undone, where it can be: ``undo_in`` an
    environment with the same record."""
    blocks: list[Block] = [Paragraph(sentence), changes_table(differences, rota.zone, persons)]
    if undo_in:
        blocks.append(Paragraph(f"To undo it: omc oncall undo {rota.name} {number} --env {undo_in}"))
    data = {"rota": rota.name, "number": number, "changes": [change_data(each) for each in differences]}
    return Document("", tuple(blocks), data=data)


def changes_table(differences: Sequence[Change], zone: str, persons: Mapping[str, Person]) -> Block:
    """When another group is on call."""
    if not differences:
        return Paragraph("Nobody's time on call changes.")
    rows = [
        Row(
            (
                format_time(each.begin, zone),
                format_duration(each.end - each.begin),
                names_of(each.before, persons),
                names_of(each.after, persons),
            )
        )
        for each in differences[:MAX_CHANGES]
    ]
    if len(differences) > MAX_CHANGES:
        rows.append(Row((f"and {len(differences) - MAX_CHANGES} more", "", "", "")))
    return Table(("from", "for", "now", "then"), tuple(rows))


def diff_document(
    found: Mapping[str, Sequence[Change]], begin: datetime, end: datetime, zone: str, persons: Mapping[str, Person]
) -> Document:
    """When another group would be on call, rota by rota; rotas in which nothing changes are left out."""
    changed = {name: each for name, each in found.items() if each}
    blocks = tuple(Section(name, (changes_table(each, zone, persons),)) for name, each in changed.items())
    sentence = f"{counted(len(changed), 'rota')} change." if changed else "Nobody's time on call changes."
    data = {name: [change_data(one) for one in each] for name, each in found.items()}
    title = f"On call, {shown_span(begin, end, zone)}"
    return Document(title, blocks or (Paragraph(sentence),), data={"changes": data})


def change_data(change: Change) -> dict[str, Any]:
    return {
        "begin": iso(change.begin),
        "end": iso(change.end),
        "before": list(change.before),
        "after": list(change.after),
    }


def problems_document(found: Sequence[Problem], begin: datetime, end: datetime, zone: str) -> Document:
    """The problems of the coming weeks. Those with which a page reaches nobody are failures."""
    rows = tuple(
        Row(
            (
                FAILURE if each.kind in LOSES_PAGES else WARNING,
                each.rota or "escalation",
                each.kind.value,
                each.sentence,
            )
        )
        for each in found
    )
    failures = sum(each.kind in LOSES_PAGES for each in found)
    sentence = (
        f"{failures} of {len(found)} problems lose pages." if found else "Everybody can be reached, without a gap."
    )
    verdict = Verdict(FAILURE if failures else WARNING if found else OK, sentence)
    data = {"from": iso(begin), "until": iso(end), "problems": [_problem_data(each) for each in found]}
    table: tuple[Block, ...] = (Table(("", "rota", "problem", ""), rows, below=1),) if rows else ()
    return Document(f"On call, {shown_span(begin, end, zone)}", table, verdict=verdict, data=data)


def _problem_data(problem: Problem) -> dict[str, Any]:
    return {
        "kind": problem.kind.value,
        "rota": problem.rota or None,
        "sentence": problem.sentence,
        "at": iso(problem.at),
        "end": iso(problem.end),
        "person": problem.person,
        "loses_pages": problem.kind in LOSES_PAGES,
    }


def explain_document(found: Escalation, clocks: Clocks, world: World, zone: str, notes: Iterable[str] = ()) -> Document:
    """Who is paged when, step by step, as long as nobody answers; and what follows on an acknowledgement."""
    blocks: list[Block] = []
    if found.waits_for:
        blocks.append(Paragraph(found.waits_for))
    rows = tuple(_step_row(step, zone) for step in found.steps)
    blocks.append(Section("Until somebody acknowledges", (Table(("after", "at", "step", "pages"), rows, below=0),)))
    joining, joining_data = [], []
    for step in found.steps[:-1]:
        if step.is_skipped:
            continue
        following = mitigation_step(clocks, world, found.severity, step.rung, step.at)
        whom = "nobody is left in the chain"
        if following is not None:
            whom = f"{following.role}: {_targets(following)}, {format_time(following.at, zone)}"
        joining.append(Row((step.role, whom)))
        joining_data.append({"acknowledged_by": step.role, "then": _step_data(following) if following else None})
    minutes = format_duration(clocks.mitigation)
    title = f"Acknowledged at once by …, but not mitigated {minutes} later"
    blocks.append(Section(title, (Table(("acknowledged by", "pages"), tuple(joining)),)))
    warnings = [each.warning for step in found.steps for each in step.targets if each.warning]
    warnings += [sentence for step in found.steps for sentence in step.unreachable]
    blocks += [Notice(WARNING, sentence) for sentence in dict.fromkeys([*notes, *warnings])]
    first = found.first_page
    verdict = Verdict(FAILURE, "Nobody would be paged.")
    if first is not None:
        skipped = sum(step.is_skipped for step in found.steps)
        sentence = f"The first page goes out at {format_time(first, zone)}."
        sentence += f" Steps that are skipped: {skipped}." if skipped else ""
        verdict = Verdict(WARNING if skipped or warnings else OK, sentence)
    data = {
        "severity": found.severity,
        "at": iso(found.since),
        "starts_at": iso(found.starts_at),
        "first_page": iso(found.first_page),
        "steps": [_step_data(step) for step in found.steps],
        "mitigation": joining_data,
        "notes": list(notes),
    }
    title = f"A SEV-{found.severity} at {format_time(found.since, zone)}"
    return Document(title, tuple(blocks), verdict=verdict, data=data)


def _step_row(step: Step, zone: str) -> Row:
    after = "at once" if step.after == timedelta(0) else format_duration(step.after)
    if step.skipped is not None:
        return Row(
            (after, format_time(step.at, zone), step.role, (Status("skipped", Severity.FAILURE), f": {step.skipped}"))
        )
    return Row((after, format_time(step.at, zone), step.role, _targets(step)))


def _targets(step: Step) -> str:
    return "; ".join(f"{each.name} ({', '.join(str(one) for one in each.methods)})" for each in step.targets)


def _step_data(step: Step) -> dict[str, Any]:
    return {
        "at": iso(step.at),
        "after_seconds": int(step.after.total_seconds()),
        "clock": Clock(step.clock).value,
        "rung": step.rung,
        "role": step.role,
        "people": [
            {"person": each.person, "methods": [str(one) for one in each.methods], "warning": each.warning}
            for each in step.targets
        ],
        "skipped": step.skipped,
        "unreachable": list(step.unreachable),
    }


def subscriptions_document(found: Sequence[Subscription], zone: str) -> Document:
    """Addresses at which calendars are read, the oldest first; their secrets are kept nowhere."""
    rows = tuple(
        Row(
            (
                Literal(each.id),
                each.whose,
                Status("revoked") if each.revoked_at else Status("valid", Severity.OK),
                f"{format_time(each.created_at, zone)} by {each.created_by}",
            )
        )
        for each in found
    )
    none = Paragraph("There is no calendar address. Make one: omc oncall subscribe")
    data = {
        "items": [
            {
                "id": each.id,
                "rota": each.rota,
                "person": each.person,
                "maintenance": each.maintenance,
                "is_valid": each.revoked_at is None,
                "created_by": each.created_by,
                "created_at": iso(each.created_at),
                "revoked_by": each.revoked_by,
                "revoked_at": iso(each.revoked_at),
            }
            for each in found
        ]
    }
    return Document("", (Table(("address", "of", "state", "made"), rows) if rows else none,), data=data)


def import_document(
    drafts: Sequence[tuple[Draft, Sequence[Change], Sequence[str], str | None]],
    persons: Mapping[str, Person],
    weeks: int,
    outcome: str,
) -> Document:
    """What an import would change, what of it couldn't be read, who in it isn't known, and the same as code."""
    blocks: list[Block] = []
    for draft, differences, unknown, toml in drafts:
        rota = draft.rota
        inner: list[Block] = [
            Fields(
                (
                    Field("read", _extent(rota)),
                    Field("zone", rota.zone),
                    Field("people", ", ".join(rota.people) or "nobody"),
                )
            ),
            Section(f"What would change in {weeks} weeks", (changes_table(differences, rota.zone, persons),)),
        ]
        if unknown:
            inner.append(Section("Who isn't in [people]", (Items(tuple(unknown)),)))
        for title, sentences in (
            ("What couldn't be read", draft.unread),
            ("Where the source's own list differs", draft.disagreements),
            ("What is a little different here", draft.notes),
        ):
            if sentences:
                inner.append(Section(title, (Items(sentences),)))
        if toml is not None:
            inner.append(Section("The same in omc.toml", (CodeBlock(tuple(toml.splitlines()), "toml"),)))
        blocks.append(Section(f"{draft.title}, as {rota.name}", tuple(inner)))
    data = {
        "rotas": [
            {
                "name": draft.rota.name,
                "title": draft.title,
                "rota": to_json(draft.rota),
                "changes": [change_data(each) for each in differences],
                "unknown_people": list(unknown),
                "unread": list(draft.unread),
                "disagreements": list(draft.disagreements),
                "notes": list(draft.notes),
                "toml": toml,
            }
            for draft, differences, unknown, toml in drafts
        ]
    }
    is_whole = not any(draft.unread or draft.disagreements for draft, *_ in drafts)
    verdict = Verdict(OK if is_whole else WARNING, outcome)
    return Document("Import", tuple(blocks), verdict=verdict, data=data)


def _extent(rota: Rota) -> str:
    entries = sum(len(each.entries) for each in rota.calendars)
    parts = [(len(rota.layers), "layer"), (entries, "single shift"), (len(rota.overrides), "override")]
    return ", ".join(f"{number} {what}{'s' if number != 1 else ''}" for number, what in parts if number) or "nothing"
