"""The queries that DuckDB and Athena both take (``portable.toml``), with their values put in."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from omc.errors import WrongUse, did_you_mean
from omc.logs.model import Span

ROWS = 1000
FOR_EVER = 253_402_300_800
"""Seconds from 1970 to the year 10000: a file is read whole unless a time is given."""


@dataclass(frozen=True, slots=True)
class PortableQuery:
    name: str
    title: str
    text: str

    @property
    def table(self) -> str:
        """``flow`` or ``requests``."""
        return "flow" if re.search(r"\bFROM flow\b", self.text) else "requests"

    @property
    def needs(self) -> tuple[str, ...]:
        """Fields of a flow log without which it would find nothing: both addresses, and what it chooses by."""
        if self.table != "flow":
            return ()
        chosen_by = ("action",) if re.search(r"\bWHERE\b.*\baction\b", self.text) else ()
        return "srcaddr", "dstaddr", *chosen_by

    def sql(self, span: Span | None, limit: int = ROWS, trace: str = "") -> str:
        """The query with its values. Texts are quoted; nothing else of it comes from outside."""
        values: Mapping[str, str] = {
            "begin": str(int(span.begin.timestamp())) if span else "0",
            "end": str(int(span.end.timestamp())) if span else str(FOR_EVER),
            "limit": str(int(limit)),
            "trace": quoted(trace),
        }
        return re.sub(r":(begin|end|limit|trace)\b", lambda found: values[found[1]], self.text)


def quoted(text: str) -> str:
    """A text as SQL has it."""
    return "'" + text.replace("'", "''").replace("\x00", "") + "'"


@cache
def portable_queries() -> Mapping[str, PortableQuery]:
    """All of them, by name."""
    tables = tomllib.loads((files("omc.logs") / "portable.toml").read_text(encoding="utf-8"))
    return {name: PortableQuery(name, table["title"], table["query"].strip()) for name, table in tables.items()}


def portable_query(name: str) -> PortableQuery:
    """Raises ``WrongUse`` with what comes near."""
    found = portable_queries()
    if name not in found:
        hint = did_you_mean(name, list(found))
        raise WrongUse(f'Files and Athena have no query "{name}".{hint} There are {", ".join(found)}.')
    return found[name]
