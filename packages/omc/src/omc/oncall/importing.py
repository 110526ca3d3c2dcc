"""An import from its files to what is shown of it and what is recorded, for the command and for the API alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from omc.config import Stack
from omc.errors import OmcError, Refused
from omc.oncall import documents
from omc.oncall.configured import rotas_from, toml_of
from omc.oncall.escalation import World
from omc.oncall.imports.draft import Draft, Finder, changes, people_of
from omc.oncall.imports.read import SourceFile, read_files
from omc.oncall.lookups import ensure_name
from omc.output.document import Document

NOT_RECORDED = "Nothing was recorded. To record it: --yes"


@dataclass(frozen=True, slots=True)
class Import:
    """What was read, before anybody has said yes."""

    drafts: tuple[Draft, ...]
    finder: Finder
    source: str
    """``pagerduty schedules.json``."""

    @property
    def is_whole(self) -> bool:
        """Whether all of it could be read."""
        return not any(each.unread for each in self.drafts)


def read_import(
    stack: Stack,
    source: str,
    files: Sequence[SourceFile],
    aliases: Mapping[str, str],
    now: datetime,
    wanted: str | None = None,
) -> Import:
    """The rotas in these files; a single one gets the name that is ``wanted``."""
    if wanted is not None:
        ensure_name(wanted)
    finder = Finder(stack.persons, dict(aliases))
    drafts = read_files(source, files, stack.time_zone, finder, now, wanted)
    return Import(tuple(drafts), finder, f"{source} {', '.join(file.name for file in files)}")


def import_document(read: Import, stack: Stack, world: World, now: datetime, weeks: int, outcome: str) -> Document:
    """What would change, what couldn't be read, and what became of it."""
    end = now + timedelta(weeks=weeks)
    shown = [
        (
            each,
            changes(world.rotas.get(each.rota.name), each.rota, now, end),
            people_of(each, read.finder),
            toml_of(each.rota),
        )
        for each in read.drafts
    ]
    return documents.import_document(shown, stack.persons, weeks, outcome)


def record_import(read: Import, stack: Stack, record: Callable[[Draft], int]) -> str:
    """Have each rota recorded, which gives its number; what became of them, in a sentence."""
    configured = rotas_from(stack)
    as_code = [each.rota.name for each in read.drafts if each.rota.name in configured]
    if as_code:
        raise Refused(
            f"{', '.join(as_code)} stands in {stack.file.name}, which is not changed from here. Without --yes "
            "the tables to paste are shown; with --rota it is imported under another name."
        )
    empty = [each.title for each in read.drafts if not each.rota.people]
    if empty:
        raise Refused(f"Nobody could be read in {', '.join(empty)}; nothing was recorded.")
    done: list[str] = []
    for each in read.drafts:
        try:
            number = record(each)
        except OmcError as error:
            if not done:
                raise
            return f"Recorded: {', '.join(done)}. Not recorded: {each.rota.name}: {error.message}"
        done.append(f"{each.rota.name} (number {number})")
    return f"Recorded: {', '.join(done)}."
