"""Writes the table of docs/preflight.md anew, from omc's table of preconditions. A test says when it must be run:

python scripts/preflight_table.py
"""

from __future__ import annotations

from pathlib import Path

from omc.procedures.preconditions.table import Answer, Precondition, Verb
from omc.procedures.preflight import TABLE

PAGE = Path(__file__).resolve().parents[1] / "docs" / "preflight.md"
SHORT = {Answer.REFUSE: "refused", Answer.OVERRIDE: "reason", Answer.NOTE: "note", Answer.SKIP: ""}
COLUMNS = {
    Verb.DEPLOY: "deploy",
    Verb.ROLLBACK: "roll back",
    Verb.STOP: "roll back midway",
    Verb.RESTART: "restart",
    Verb.OUT: "scale out",
    Verb.IN: "scale in",
    Verb.MIGRATE: "migrate",
    Verb.APPLY: "infra apply",
    Verb.DESTROY: "infra destroy",
    Verb.PRUNE: "prune",
    Verb.BACKUP: "backup",
    Verb.RESTORE: "restore",
    Verb.DATABASE: "database",
    Verb.CACHE: "cache",
}
"""Without those of which no row says anything: scheduling a maintenance."""
BEGIN, END = "<!-- preconditions: python scripts/preflight_table.py -->\n", "<!-- preconditions end -->\n"


def page(text: str) -> str:
    """The page's text with the table of now in it."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


def table() -> str:
    """A row for each precondition, a column for each verb, and below it the reasons."""
    names = list(COLUMNS.values())
    lines = [f"| what holds | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for row in TABLE:
        answers = " | ".join(SHORT[row.cells[verb].answer] for verb in COLUMNS)
        lines.append(f"| {row.holds} | {answers} |")
    reasons = [line for row in TABLE for line in _reasons(row)]
    return "\n".join([*lines, "", "## Why", "", *reasons]) + "\n"


def _reasons(row: Precondition) -> list[str]:
    """What isn't obvious, with the commands that have the same reason together."""
    by_reason: dict[tuple[Answer, str], list[str]] = {}
    for verb, cell in row.cells.items():
        if cell.why and verb in COLUMNS:
            by_reason.setdefault((cell.answer, cell.why), []).append(COLUMNS[verb])
    lines = [f"- **{row.holds}**"]
    for (answer, why), names in by_reason.items():
        every = "every command" if len(names) == len(COLUMNS) else ", ".join(names)
        lines.append(f"  - {every}: {SHORT[answer] or 'nothing'}; {why}.")
    return lines if len(lines) > 1 else []


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
