"""Writes the table of rules in docs/runbook-check.md from omc/runbook/lint/catalogue.py."""

from __future__ import annotations

from pathlib import Path

from omc.runbook.lint.catalogue import RULES

PAGE = Path(__file__).parents[1] / "docs" / "runbook-check.md"
BEGIN, END = "<!-- rules: scripts/runbook_rules.py -->\n", "<!-- end of rules -->"


def with_table(page: str) -> str:
    """The page with today's rules between its two marks."""
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    rows = [f"| `{rule.name}` | {rule.level.value} | {rule.title} | {rule.why} |" for rule in RULES.values()]
    table = "\n".join(("| rule | level | finds | why it matters |", "|---|---|---|---|", *rows))
    return f"{before}{BEGIN}{table}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
