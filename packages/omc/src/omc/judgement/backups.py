"""Whether a restored backup is what it should be: a list of questions to an inspection of it and one of its source.

An inspection is what ``procedures/backup_inspection.py`` prints. The source has gone on since the backup was taken, so
each question says what may have changed by then. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from omc.model.backups import Judged

OK, WARN, FAIL, UNKNOWN = "ok", "warn", "fail", "unknown"
FEW = 20
"""Rows that a table may lack however small it is: written while the backup was taken."""
LATE = timedelta(minutes=5)
"""How much older than the source's newest row of that time the backup's may be: RDS ships logs every five minutes."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A restored backup and its source."""

    restored: Mapping[str, Any]
    source: Mapping[str, Any] | None
    """None: there is nothing to compare with."""
    taken_at: datetime | None
    """The moment that the backup is of."""
    tolerance: float
    """Per cent of a table's rows that may be missing."""

    @property
    def tables(self) -> Mapping[str, Mapping[str, Any]]:
        found: Mapping[str, Mapping[str, Any]] = self.restored.get("tables", {})
        return found

    @property
    def expected(self) -> Mapping[str, Mapping[str, Any]]:
        found: Mapping[str, Mapping[str, Any]] = (self.source or {}).get("tables", {})
        return found

    @property
    def pairs(self) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
        """Each table that both have: its name, as it was restored, as the source has it."""
        for name, wanted in self.expected.items():
            if name in self.tables:
                yield name, self.tables[name], wanted

    @property
    def has_migrated(self) -> bool:
        """Whether the source's schema has gone on since."""
        return self.source is not None and self.source.get("migration") != self.restored.get("migration")


Question: TypeAlias = Callable[[Comparison], Iterator[Judged]]


def database(now: Comparison) -> Iterator[Judged]:
    """A backup of another database is none of this one. A server keeps its system identifier through every restore, and
    loses it by an upgrade to another major version only."""
    if now.source is None:
        return
    restored, source = now.restored, now.source
    if restored.get("database") != source.get("database"):
        sentence = f"It holds the database {restored.get('database')}, and not {source.get('database')}."
        yield Judged("database", FAIL, str(restored.get("database")), sentence)
    ours, its = source.get("system"), restored.get("system")
    if ours and its and ours != its:
        upgraded = major(source) != major(restored)
        words = (
            "It was taken before the upgrade to another major version."
            if upgraded
            else "It is of another database server: its system identifier is not the source's."
        )
        yield Judged("database", WARN if upgraded else FAIL, str(restored.get("database")), words)


def major(inspected: Mapping[str, Any]) -> str:
    return str(inspected.get("version", "")).partition(".")[0]


def migration(now: Comparison) -> Iterator[Judged]:
    """The migration that the schema is at."""
    its, ours = now.restored.get("migration"), (now.source or {}).get("migration")
    if its is None and (ours is not None or now.source is None):
        yield Judged("migration", FAIL if ours else WARN, "schema", "It doesn't say which migration its schema is at.")
    elif now.source is not None and its != ours:
        words = f"Its schema is at {its}; the source is at {ours}, which came after it or was taken back."
        yield Judged("migration", WARN, "schema", words)


def schema(now: Comparison) -> Iterator[Judged]:
    """Tables, columns, indexes, extensions. Where the source has been migrated since, a difference is no failure."""
    if not now.tables:
        yield Judged("schema", FAIL, "tables", "It holds no table.")
    if now.source is None:
        return
    level = WARN if now.has_migrated else FAIL
    for name in sorted(set(now.expected) - set(now.tables)):
        yield Judged("schema", level, name, f"The table {name} is missing.")
    for name in sorted(set(now.tables) - set(now.expected)):
        yield Judged("schema", WARN, name, f"It has a table {name} that the source no longer has.")
    for name, restored, wanted in now.pairs:
        for what in ("columns", "indexes"):
            its, ours = restored.get(what, {}), wanted.get(what, {})
            different = sorted(key for key in {*its, *ours} if its.get(key) != ours.get(key))
            if different:
                yield Judged("schema", level, name, f"{what.capitalize()} differ: {', '.join(different)}.")
    its, ours = now.restored.get("extensions", {}), now.source.get("extensions", {})
    missing = sorted(name for name in ours if name not in its)
    if missing:
        yield Judged("schema", level, "extensions", f"Extensions are missing: {', '.join(missing)}.")


def readable(now: Comparison) -> Iterator[Judged]:
    """Every row is read whole, so a damaged page shows."""
    for name, restored in sorted(now.tables.items()):
        if restored.get("error"):
            yield Judged("readable", FAIL, name, f"The table {name} can't be read: {restored['error']}")
        elif restored.get("read") == "estimate":
            words = f"The table {name} is too large to be read whole: its rows are an estimate."
            yield Judged("readable", WARN, name, words)
    for words in now.restored.get("broken", ()):
        yield Judged("readable", FAIL, "pages", str(words))


def rows(now: Comparison) -> Iterator[Judged]:
    """As many as the source had then. What the source deleted since is there still; what it wrote since isn't."""
    for name, restored, wanted in now.pairs:
        if restored.get("error"):
            continue
        if wanted.get("error"):
            words = f"How many rows {name} should have can't be told: {wanted['error']}"
            yield Judged("rows", UNKNOWN, name, words)
            continue
        then = wanted.get("rows_as_of")
        ours, its = int(wanted["rows"] if then is None else then), int(restored["rows"])
        missing = ours - its
        if its == 0 and ours > 0:
            surely = then is not None or ours > FEW
            words = (
                f"The table {name} is empty; the source has {ours} rows{' of that time' if then is not None else ''}."
            )
            yield Judged("rows", FAIL if surely else WARN, name, words)
        elif missing > max(FEW, ours * now.tolerance / 100):
            share = 100 * missing / ours
            words = f"The table {name} has {its} rows; the source has {ours}"
            words += " of that time" if then is not None else " now, and no time of a row to tell which came later"
            yield Judged("rows", FAIL, name, f"{words}: {share:.0f} % are missing.")


def newest(now: Comparison) -> Iterator[Judged]:
    """The newest row of each table that has a time, beside the source's newest of that time."""
    for name, restored, wanted in now.pairs:
        its, ours = restored.get("newest"), wanted.get("newest_as_of")
        if restored.get("error") or wanted.get("error") or ours is None or restored.get("read") == "estimate":
            continue
        if its is None:
            if restored["rows"]:
                words = f"No row of {name} has a time; the source has one of {ours}."
                yield Judged("newest", FAIL, name, words)
            continue
        late = datetime.fromisoformat(ours) - datetime.fromisoformat(its)
        if late > LATE:
            words = f"The newest row of {name} is of {its}; the source has one of {ours}, {_words(late)} later."
            yield Judged("newest", FAIL, name, words)


def anything(now: Comparison) -> Iterator[Judged]:
    """Without a source, the least that a backup must have is a row."""
    if now.source is None and now.tables and not any(int(each.get("rows") or 0) for each in now.tables.values()):
        yield Judged("rows", FAIL, "tables", "All of its tables are empty.")


QUESTIONS: tuple[Question, ...] = (database, migration, schema, readable, rows, newest, anything)


def judge(now: Comparison) -> tuple[Judged, ...]:
    """What every question comes to; for one to which nothing was found, a line that says so."""
    found: list[Judged] = []
    for question in QUESTIONS:
        answers = list(question(now))
        found += answers
    if not any(each.level in (FAIL, UNKNOWN) for each in found):
        compared = "as in its source" if now.source is not None else "and nothing was there to compare it with"
        guessed = sum(each.get("read") == "estimate" for each in now.tables.values())
        read = f"read whole, but for {guessed} too large for it" if guessed else "read whole"
        words = f"{len(now.tables)} tables with {rows_of(now.restored)} rows were {read}, {compared}."
        found.append(Judged("whole", OK, "backup", words))
    return tuple(found)


def is_sound(found: tuple[Judged, ...]) -> bool:
    """Nothing failed, and nothing stayed unknown."""
    return not any(each.level in (FAIL, UNKNOWN) for each in found)


def rows_of(inspected: Mapping[str, Any]) -> int:
    return sum(int(each.get("rows") or 0) for each in inspected.get("tables", {}).values())


def recovery_point(now: Comparison) -> float | None:
    """Seconds from the newest row of all tables to the moment that the backup is of."""
    times = [datetime.fromisoformat(each["newest"]) for each in now.tables.values() if each.get("newest")]
    if not times or now.taken_at is None:
        return None
    return max(0.0, (now.taken_at - max(times)).total_seconds())


def _words(late: timedelta) -> str:
    seconds = late.total_seconds()
    return f"{seconds / 86400:.1f} days" if seconds > 2 * 86400 else f"{seconds / 60:.0f} minutes"
