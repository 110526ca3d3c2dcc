"""Commands of a document, as they are written in its fenced blocks."""

from __future__ import annotations

import re
from pathlib import Path


def commands_under(document: Path, heading: str) -> list[str]:
    """The lines of the ``bash`` blocks between this heading and the next of any level, without what is commented."""
    text = re.sub(r"^```bash\n.*?^```$", _kept, document.read_text(), flags=re.MULTILINE | re.DOTALL)
    found = re.search(rf"^#+ {re.escape(heading)}$\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise LookupError(f"{document.name} has no heading {heading}")
    blocks = re.findall(r"^```bash\n(.*?)^```$", found[1].replace(HASH, "#"), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip() and not line.startswith("#")]


HASH = "\ue000"


def _kept(block: re.Match[str]) -> str:
    """A comment of a shell is no heading."""
    return block[0].replace("#", HASH)
