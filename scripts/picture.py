"""Draw a terminal's text as an SVG for the README: `omc check morning --env local | python scripts/picture.py OUT`."""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path

COLUMNS = 100
CHARACTER, LINE, MARGIN = 7.25, 17, 14
INK = {"ok": "#5fb878", "warn": "#d9a441", "fail": "#e5645c", "unknown": "#b58ad6", "was": "#8b949e"}
LEVEL = re.compile(r"^(ok|warn|fail|unknown|was|OK|WARN|FAIL|UNKNOWN)\b")


def drawn(number: int, line: str) -> str:
    found = LEVEL.match(line)
    ink = INK[found[1].lower()] if found else "#8b949e" if line.startswith(" ") else "#e6edf3"
    head = f'<tspan fill="{ink}" font-weight="bold">{found[1]}</tspan>' if found else ""
    rest = line[found.end() :] if found else line
    body = f'<tspan fill="{"#e6edf3" if found else ink}">{html.escape(rest)}</tspan>'
    return f'<text x="{MARGIN}" y="{MARGIN + LINE * (number + 1)}" xml:space="preserve">{head}{body}</text>'


def main() -> None:
    lines = [line[:COLUMNS] for line in sys.stdin.read().rstrip().splitlines()]
    width = round(2 * MARGIN + CHARACTER * max(len(line) for line in lines))
    height = 2 * MARGIN + LINE * (len(lines) + 1)
    texts = "\n".join(drawn(number, line) for number, line in enumerate(lines))
    Path(sys.argv[1]).write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="12">\n'
        f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>\n{texts}\n</svg>\n'
    )


if __name__ == "__main__":
    main()
