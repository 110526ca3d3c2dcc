"""What the tests reach of omc and localcloud, by room; and with --before, what they reached earlier and no longer do.

    python scripts/coverage_report.py DATA [--save now.json] [--before earlier.json]

DATA is a combined coverage file. A comparison is by function, for those with as many statements as before, so that
code that only moved within its module is compared too. Exit codes: 0, or 1 where something is no longer reached.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

Report = dict[str, Any]


def measured(data: Path) -> Report:
    """Coverage's own report on the data, as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "report.json"
        command = [
            "coverage",
            "json",
            "--quiet",
            "--ignore-errors",
            f"--data-file={data}",
            f"--rcfile={ROOT / 'pyproject.toml'}",
        ]
        subprocess.run([sys.executable, "-m", *command, "-o", str(out)], cwd=ROOT, check=True)
        report: Report = json.loads(out.read_text())
    return report


def module_of(file: str) -> str:
    """``omc/engine/worker.py``, wherever the package lies."""
    return file.replace("\\", "/").rpartition("src/")[2]


def by_room(report: Report) -> dict[str, Counter[str]]:
    rooms: dict[str, Counter[str]] = {}
    for file, held in report["files"].items():
        parts = module_of(file).split("/")
        room = "/".join(parts[:2]) if len(parts) > 2 else f"{parts[0]}/*.py"
        for name in (room, "all of it"):
            rooms.setdefault(name, Counter()).update(
                {key: value for key, value in held["summary"].items() if isinstance(value, int)}
            )
    return dict(sorted(rooms.items(), key=lambda one: (one[0] == "all of it", one[0])))


def functions(report: Report) -> dict[str, dict[str, int]]:
    return {
        f"{module_of(file)}: {name or '(module)'}": one["summary"]
        for file, held in report["files"].items()
        for name, one in held["functions"].items()
    }


def lost(before: Report, now: Report) -> list[str]:
    """The functions of which fewer lines or branches are reached than before."""
    earlier, found = functions(before), []
    for name, summary in functions(now).items():
        had = earlier.get(name)
        if not had or had["num_statements"] != summary["num_statements"]:
            continue
        missed = [
            f"{had[key] - summary[key]} {word}"
            for key, word in (("covered_lines", "lines"), ("covered_branches", "branches"))
            if summary[key] < had[key]
        ]
        if missed:
            found.append(f"{name}: {' and '.join(missed)} no longer reached")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--save", type=Path, help="keep the report, to compare a later one with")
    parser.add_argument("--before", type=Path, help="a report that was saved earlier")
    arguments = parser.parse_args()
    report = measured(arguments.data.resolve())
    print(f"{'':32}{'lines':>18}{'branches':>22}")
    for room, sums in by_room(report).items():
        cells = [
            (sums["covered_lines"], sums["num_statements"]),
            (sums["covered_branches"], sums["num_branches"]),
        ]
        figures = "".join(f"{100 * part / whole if whole else 100:9.1f} % of {whole:6}" for part, whole in cells)
        print(f"{room:32}{figures}")
    if arguments.save:
        arguments.save.write_text(json.dumps(report))
    if not arguments.before:
        return 0
    gone = lost(json.loads(arguments.before.read_text()), report)
    print("\n".join(gone) if gone else "Everything that was reached before is reached now.")
    return 1 if gone else 0


if __name__ == "__main__":
    sys.exit(main())
