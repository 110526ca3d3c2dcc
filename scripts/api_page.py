"""The table of routes of ``docs/api.md``, made of the routes themselves: written, or with ``--check`` compared.

Exit codes: 0 written or up to date, 1 it says something else.
"""

from __future__ import annotations

import sys
from pathlib import Path

from omc.access.model import role_for
from omc.responder.api.app import routes
from omc.responder.api.callers import needed

PAGE = Path(__file__).resolve().parent.parent / "docs" / "api.md"
BEGIN, END = "<!-- routes: scripts/api_page.py -->\n", "<!-- end of routes -->"


def table() -> str:
    """A row for each route, in the order of the routers."""
    rows = ["| request | who may | what |", "|---|---|---|"]
    for method, route in routes():
        permission = needed(route.dependant)
        role = role_for(permission).value if permission else "everybody"
        rows.append(f"| `{method} {route.path}` | {role} | {route.summary} |")
    return "\n".join(rows) + "\n"


def main() -> int:
    text = PAGE.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        print(f"{PAGE.name} has no place for the table of routes.", file=sys.stderr)
        return 1
    made = f"{before}{BEGIN}\n{table()}\n{END}{after}"
    if "--check" in sys.argv[1:]:
        if made != text:
            print("docs/api.md has other routes than the API. Write them: python scripts/api_page.py", file=sys.stderr)
        return int(made != text)
    PAGE.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
