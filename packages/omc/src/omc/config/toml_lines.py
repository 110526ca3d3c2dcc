"""Where in a TOML file a key stands, so that a message can name the line. Parsing is tomllib's."""

from __future__ import annotations

import re

Path = tuple[str | int, ...]

_HEADER = re.compile(r"^\s*(\[{1,2})\s*([^\]]+?)\s*\]{1,2}\s*(#.*)?$")
_KEY = re.compile(r"""^\s*((?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+))*)\s*=""")
_PART = re.compile(r""""([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+)""")


def line_of(text: str, path: Path) -> int:
    """The line (from 1) where the key or table ``path`` begins; of its nearest parent where it has no line of its own.

    List items of ``[[table]]`` are numbered from 0, as in ``("on_call", "chain", 1, "role")``.
    """
    places = _places(text)
    for length in range(len(path), 0, -1):
        if path[:length] in places:
            return places[path[:length]]
    return 1


def _places(text: str) -> dict[Path, int]:
    places: dict[Path, int] = {}
    items: dict[Path, int] = {}
    table: Path = ()
    for number, line in enumerate(_without_multiline_strings(text), start=1):
        if header := _HEADER.match(line):
            table = _under_items(_parts(header[2]), items, is_item=header[1] == "[[")
            places.setdefault(table, number)
        elif key := _KEY.match(line):
            whole = table + _parts(key[1])
            for length in range(len(table) + 1, len(whole) + 1):
                places.setdefault(whole[:length], number)
    return places


def _under_items(names: Path, items: dict[Path, int], *, is_item: bool) -> Path:
    """A header's names with the number of the list item that each belongs to."""
    path: Path = ()
    for position, name in enumerate(names):
        path += (name,)
        if is_item and position == len(names) - 1:
            items[path] = items.get(path, -1) + 1
        if path in items:
            path += (items[path],)
    return path


def _parts(dotted: str) -> Path:
    return tuple(next(group for group in found.groups() if group is not None) for found in _PART.finditer(dotted))


def _without_multiline_strings(text: str) -> list[str]:
    """The lines, with those inside of a triple-quoted string blanked."""
    lines: list[str] = []
    inside: str | None = None
    for line in text.splitlines():
        if inside is None:
            lines.append(line)
            for quote in ('"""', "'''"):
                if line.count(quote) % 2:
                    inside = quote
        else:
            lines.append("")
            if inside in line:
                inside = None
    return lines
