"""A document for programs."""

from __future__ import annotations

import json
from typing import Any

from omc.output.text import UNSAFE
from omc.redaction import without_secrets


def to_json(data: Any, *, indent: int | None = 2) -> str:
    """Data for programs: without secrets; controls and invisible characters as JSON escapes them."""
    text = json.dumps(without_secrets(data), indent=indent, ensure_ascii=False)
    escaped = UNSAFE.sub(lambda match: match[0] if match[0] == "\n" else _as_json(match[0]), text)
    return escaped.replace("##[", "\\u0023#[")  # GitHub's runner takes it for a command wherever it stands


def _as_json(character: str) -> str:
    """As JSON writes it: in two halves, where it is beyond the first 65,536."""
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
