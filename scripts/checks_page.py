"""Writes docs/checks.md from the specs beside the checks: `python scripts/checks_page.py`.

With --check it writes nothing and ends with 1 where the page is not the one that it would write.
"""

from __future__ import annotations

import sys
from pathlib import Path

from omc.checks.spec_document import checks_document
from omc.output.markdown import render
from omc.review.parts import ALL_LISTS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "checks.md"
COMMAND = "python scripts/checks_page.py"
BEFORE = f"""\
<!-- Generated; edit the specs beside the checks, then: {COMMAND} -->

What omc asks, check by check. *At worst* is the worst level that a check gives what it read: `fail` ends the command
with 1, `warn` with 0 (1 with `--strict`), `unknown` with 3. Every check says `unknown` of what it could not read, never
`ok`. Beside it is the section of the runbook that answers its worst finding; a finding itself names what fits it. The
same, one by one and with the facts that are read: `omc check explain CHECK`.
"""


def page() -> str:
    """The whole page as it should be."""
    title, _, rest = render(checks_document("docs/", ALL_LISTS), level=1).partition("\n\n")
    return f"{title}\n\n{BEFORE}\n{rest}\n"


def main() -> int:
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page())
        return 0
    if PAGE.exists() and PAGE.read_text() == page():
        return 0
    print(f"docs/checks.md is not what the checks' specs say. Run: {COMMAND}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
