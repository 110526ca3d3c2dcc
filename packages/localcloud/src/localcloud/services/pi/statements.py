"""SQL texts as Performance Insights names them: the statement, its digest without literals, and ids for both."""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<space>(?:\s|--[^\n]*|/\*.*?(?:\*/|\Z))+)
  | (?P<literal>
        [Ee]'(?:[^'\\]|''|\\.)*(?:'|\Z|\\\Z)
      | (?:[BbXxNn]|[Uu]&)?'(?:[^']|'')*(?:'|\Z)
      | \$(?P<tag>[A-Za-z_]\w*|)\$.*?(?:\$(?P=tag)\$|\Z)
      | \$\d+
      | (?:\d+\.?\d*|\.\d+)(?:[Ee][+-]?\d+)?
    )
  | (?P<name>"(?:[^"]|"")*(?:"|\Z)|[^\W\d][\w$]*)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL text that was seen running."""

    text: str
    query_id: int | None
    """PostgreSQL's own digest, which ``pg_stat_statements`` has too; None until it has analysed the statement."""

    @property
    def id(self) -> str:
        return _id(self.text)

    @property
    def tokenized(self) -> str:
        return tokenized(self.text)

    @property
    def tokenized_id(self) -> str:
        return _id(self.tokenized)


def tokenized(text: str) -> str:
    """The statement with ``?`` for each literal and parameter, without comments, in one line."""

    def replaced(match: re.Match[str]) -> str:
        if match["space"] is not None:
            return " "
        return "?" if match["literal"] is not None else match[0]

    return _TOKEN.sub(replaced, text).strip()


def short_id(text: str) -> str:
    """What stands for a statement that PostgreSQL has no number for, as AWS writes it: ``pi-`` and a checksum."""
    return f"pi-{zlib.crc32(text.encode())}"


def _id(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest().upper()
