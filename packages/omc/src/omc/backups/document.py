"""Backups as a document: what there is, from when to when, and what was found out about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from omc.config import Environment
from omc.config.stores import database_name
from omc.facts.backups import Backups, Snapshot
from omc.facts.verifications import Verifications
from omc.model.backups import Verification
from omc.output.document import Block, Document, Field, Fields, Paragraph, Row, Section, Severity, Status, Table
from omc.times import format_duration, format_time

SHOWN = 20
NEVER = "never"


def backups_document(backups: Backups, known: Verifications, environment: Environment, now: datetime) -> Document:
    """``known``: what omc's record has of verifications."""
    if not database_name(environment):
        words = f"{environment.name} has no database: omc.toml names none."
        return Document("", (Paragraph(words),), data=_data(backups, known, environment))
    zone = environment.time_zone
    window = "no point in time can be restored"
    if backups.earliest and backups.latest:
        window = f"{format_time(backups.earliest, zone)} to {format_time(backups.latest, zone)}"
    sound = known.sound
    verified = f"{format_duration(now - sound.at)} ago: the {sound.found.backup}" if sound else NEVER
    blocks: list[Block] = [
        Fields(
            (
                Field("point in time", window),
                Field("copies elsewhere", ", ".join(backups.replicas) or "none by RDS"),
                Field("last found sound", verified),
            )
        )
    ]
    if left := [one for one in backups.restored if one.expires and one.expires <= now]:
        names = ", ".join(one.name for one in left)
        blocks.append(Paragraph(f"Left by a verification, and to be removed: {names} (omc backup sweep)."))
    rows = tuple(_row(one, known, now) for one in backups.snapshots[:SHOWN])
    if rows:
        blocks.append(Section("Snapshots", (Table(("snapshot", "kind", "state", "taken", "verified"), rows),)))
    if known.all:
        found = tuple(_verification(one, now) for one in known.all[:5])
        blocks.append(Section("Verifications", (Table(("backup", "", "when", "restored in", "found"), found),)))
    return Document(
        f"Backups of {database_name(environment)}, {environment.name}",
        tuple(blocks),
        data=_data(backups, known, environment),
    )


def _row(one: Snapshot, known: Verifications, now: datetime) -> Row:
    state = one.status if one.status == "available" else f"{one.status}, {one.progress} %"
    taken = f"{format_duration(now - one.taken_at)} ago" if one.taken_at else "not yet"
    about = next((each for each in known.all if each.found.backup == f"snapshot {one.name}"), None)
    verified = "" if about is None else "sound" if about.found.sound else "not sound"
    return Row((one.name, one.kind + (", omc's" if one.is_ours else ""), state, taken, verified))


def _verification(one: Verification, now: datetime) -> Row:
    found = one.found
    level = Status("sound", Severity.OK) if found.sound else Status("not sound", Severity.FAILURE)
    took = "" if found.recovery_seconds is None else f"{found.recovery_seconds:.0f} s"
    words = " ".join(each.sentence for each in found.judged[:3])
    return Row((found.backup, level, f"{format_duration(now - one.at)} ago", took, words))


def _data(backups: Backups, known: Verifications, environment: Environment) -> Mapping[str, Any]:
    def moment(at: datetime | None) -> str | None:
        return at.isoformat() if at else None

    return {
        "environment": environment.name,
        "database": database_name(environment),
        "earliest": moment(backups.earliest),
        "latest": moment(backups.latest),
        "replicas": list(backups.replicas),
        "snapshots": [
            {
                "name": one.name,
                "kind": one.kind,
                "status": one.status,
                "progress": one.progress,
                "taken_at": moment(one.taken_at),
                "made_by_omc": one.is_ours,
            }
            for one in backups.snapshots
        ],
        "left": [one.name for one in backups.restored],
        "verifications": [
            {
                "at": one.at.isoformat(),
                "run": one.found.run,
                "backup": one.found.backup,
                "sound": one.found.sound,
                "compared": one.found.compared,
                "recovery_seconds": one.found.recovery_seconds,
                "recovery_point_seconds": one.found.recovery_point_seconds,
                "judged": [
                    {"question": each.question, "level": each.level, "subject": each.subject, "sentence": each.sentence}
                    for each in one.found.judged
                ],
            }
            for one in known.all
        ],
    }
