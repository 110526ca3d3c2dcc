"""Which kind of export a file is, and the rotas in it. The libraries for calendars are imported where one is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from omc.oncall.configured import slug_of
from omc.oncall.imports import grafana, opsgenie, pagerduty
from omc.oncall.imports.calendars import read_calendar
from omc.oncall.imports.draft import Draft, Finder, WrongFile, unique_name
from omc.oncall.imports.json_files import items_of, read_json

SOURCES = ("calendar", "pagerduty", "opsgenie", "grafana")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file as it was read."""

    name: str
    content: bytes


def read_files(
    source: str, files: Sequence[SourceFile], zone: str, finder: Finder, now: datetime, name: str | None = None
) -> list[Draft]:
    """The rotas of an export, which may be in several files. ``WrongFile`` where there is none in them. ``name`` is the
    one that a single rota gets; else each gets its own as an id."""
    if source == "calendar":
        return [_calendar(file, zone, finder, now, name if len(files) == 1 else None) for file in files]
    items: list[Mapping[str, Any]] = []
    for file in files:
        try:
            items += items_of(read_json(file.content))
        except WrongFile as error:
            raise WrongFile(f"{file.name}: {error.message}") from error
    found = [each for each in items if _is_schedule(source, each)]
    if not found:
        raise WrongFile(f"There is no schedule of {source} in {', '.join(file.name for file in files)}.")
    names: list[str] = []
    for each in found:
        own = name if name and len(found) == 1 else slug_of(str(each.get("name") or each.get("id") or source))
        names.append(unique_name(own, names).replace(" ", "-"))
    read = _reader(source, items, finder, zone, now)
    return [read(each, own) for each, own in zip(found, names, strict=True)]


def _calendar(file: SourceFile, zone: str, finder: Finder, now: datetime, name: str | None) -> Draft:
    own = name or slug_of(file.name.rpartition("/")[2].rpartition(".")[0] or "calendar")
    try:
        return read_calendar(file.content, own, zone, finder, now)
    except WrongFile as error:
        raise WrongFile(f"{file.name}: {error.message}") from error


def _is_schedule(source: str, item: Mapping[str, Any]) -> bool:
    if source == "pagerduty":
        return pagerduty.is_schedule(item)
    return opsgenie.is_schedule(item) if source == "opsgenie" else grafana.is_schedule(item)


def _reader(
    source: str, items: Sequence[Mapping[str, Any]], finder: Finder, zone: str, now: datetime
) -> Callable[[Mapping[str, Any], str], Draft]:
    users = {str(each.get("id")): each for each in items if "username" in each or "email" in each}
    if source == "pagerduty":
        return lambda item, name: pagerduty.read_schedule(item, name, users, finder, zone, now)
    if source == "opsgenie":
        return lambda item, name: opsgenie.read_schedule(item, name, finder, zone, now)
    shifts = {str(each.get("id")): each for each in items if grafana.is_shift(each)}
    return lambda item, name: grafana.read_schedule(item, name, shifts, users, finder, zone, now)
