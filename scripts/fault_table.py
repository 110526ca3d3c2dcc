"""Writes the table of faults in docs/localcloud.md anew, from localcloud's catalogue. A test says when it must be run:

python scripts/fault_table.py
"""

from __future__ import annotations

from pathlib import Path

from localcloud.faults.catalogue import Fault, all_faults

PAGE = Path(__file__).resolve().parents[1] / "docs" / "localcloud.md"
BEGIN, END = "<!-- faults: python scripts/fault_table.py -->\n", "<!-- faults end -->\n"


def table() -> str:
    """The table, a row for each fault, by name."""
    rows = [_row(fault) for _, fault in sorted(all_faults().items())]
    return "\n".join(["| fault | what is injected | what will be seen | `--set` |", "|---|---|---|---|", *rows]) + "\n"


def page(text: str) -> str:
    """The page's text with the table of now in it."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


def _row(fault: Fault) -> str:
    settings = "<br>".join(f"`{key}={setting.default}` {setting.help}" for key, setting in fault.settings.items())
    cells = (f"`{fault.name}`", fault.injected, fault.symptom, settings)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
