"""Begins a new morning check: `make new-check NAME=queue-depth`.

It writes the check's module with its spec, its test, its place in the morning check and its row of docs/checks.md. The
check says *unknown* and its test fails until the judgement is written; CONTRIBUTING.md says what comes next.
"""

from __future__ import annotations

import keyword
import os
import re
import subprocess
import sys
from pathlib import Path
from string import Template

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "packages/omc/src"
CHECKS = SOURCE / "omc/checks"
LIST = CHECKS / "morning.py"
TESTS = ROOT / "packages/omc/tests/unit"
LONGEST_NAME = 40
LAST = "    ),\n    causes="
"""Where the list of the morning check's functions ends."""

CHECK = Template('''\
"""Check of $words: what it judges, and by which reading."""

from __future__ import annotations

from collections.abc import Iterator

from omc.checks.finding import Evidence, Finding, Level
from omc.checks.runbook import MORNING_CHECKS
from omc.checks.spec import check
from omc.facts.services import Services


@check(
    "$id",
    title="$title",
    question="Is $words as it should be?",
    severity=Level.UNKNOWN,
    runbook=MORNING_CHECKS,
)
def $function(services: Services) -> Iterator[Finding]:
    yield Finding(
        check="$id",
        level=Level.UNKNOWN,
        subject="$words",
        sentence="This check judges nothing yet.",
        evidence=(Evidence(f"{len(services.services)} services were read", services.reading),),
        procedure=MORNING_CHECKS,
    )
''')
TEST = Template('''\
"""$title: what the check says of each state, from plain facts."""

from __future__ import annotations

from omc.checks.$function import $function
from omc.checks.finding import Level
from omc.facts.services import Services


def test_a_sound_state_is_ok() -> None:
    [found] = $function(Services(()))
    assert found.level is Level.OK, "write the judgement, then a test for each thing that it says"
''')


def refusal(name: str) -> str:
    """Why there can be no new check of this name; empty where there can."""
    function = name.replace("-", "_")
    if not re.fullmatch(r"[a-z]+(-[a-z]+)*", name) or keyword.iskeyword(function) or len(name) > LONGEST_NAME:
        return f'"{name}" is no name of a check. Use {LONGEST_NAME} letters at most: make new-check NAME=queue-depth'
    for path in (CHECKS / f"{function}.py", CHECKS / function, TESTS / f"test_check_{function}.py"):
        if path.exists():
            return f"{path.relative_to(ROOT)} exists already. Choose another name."
    written = re.compile(rf'"{re.escape(name)}"|def {function}\(')
    for path in sorted(CHECKS.rglob("*.py")):
        if written.search(path.read_text()):
            return f"{path.relative_to(ROOT)} has something called {name} already. Choose another name."
    return ""


def create(name: str) -> list[Path]:
    """Write it, and return what was written."""
    function, words = name.replace("-", "_"), name.replace("-", " ")
    values = {"id": name, "function": function, "words": words, "title": words.capitalize()}
    module, test = CHECKS / f"{function}.py", TESTS / f"test_check_{function}.py"
    listed = _listed(LIST.read_text(), function)
    module.write_text(CHECK.substitute(values))
    test.write_text(_sorted(TEST.substitute(values)))
    LIST.write_text(listed)
    paths = [str(SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])]
    page = [sys.executable, str(ROOT / "scripts/checks_page.py")]
    subprocess.run(page, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}, check=True)
    return [module, test, LIST, ROOT / "docs/checks.md"]


def _sorted(text: str) -> str:
    """With omc's imports in order, whatever the new one is called."""
    imports = re.findall(r"^from omc\..*\n", text, re.MULTILINE)
    return text.replace("".join(imports), "".join(sorted(imports, key=lambda each: each.split()[1])))


def _listed(text: str, function: str) -> str:
    """The morning check's module with the new function imported, and last in the list."""
    if text.count(LAST) != 1:
        raise SystemExit(f"{LIST.relative_to(ROOT)} doesn't end its list as expected. Name the check there by hand.")
    lines = text.replace(LAST, f"        {function},\n{LAST}").splitlines(keepends=True)
    module = f"omc.checks.{function}"
    imports = [number for number, line in enumerate(lines) if line.startswith("from omc.")]
    after = [number for number in imports if lines[number].split()[1] < module]
    lines.insert(after[-1] + 1 if after else imports[0], f"from {module} import {function}\n")
    return "".join(lines)


def main() -> int:
    name = " ".join(sys.argv[1:])
    why = refusal(name)
    if why:
        print(why, file=sys.stderr)
        return 2
    for path in create(name):
        print(path.relative_to(ROOT))
    print('Next: CONTRIBUTING.md, "A new morning check", from step 2.')
    return 0


if __name__ == "__main__":
    sys.exit(main())
