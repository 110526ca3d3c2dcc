"""How often `omc logs errors` groups log lines as people labelled them: loghub's samples of 2,000 lines of 16 systems.

python benchmarks/log_shapes.py FOLDER    the folder holds *_2k.log_structured.csv of github.com/logpai/loghub

loghub may be used for research and academic work under its own terms, so none of it is kept here. The columns: grouping
accuracy (the share of lines whose group is exactly the labelled one, as in Zhu et al., "Tools and Benchmarks for
Automated Log Parsing", 2019), and F1 of the groups themselves, which counts a rare group as much as a frequent one.
"""

from __future__ import annotations

import csv
import sys
import time
from collections import defaultdict
from collections.abc import Hashable, Sequence
from pathlib import Path

from omc.facts.log_shapes import fingerprint
from omc.logs.shapes import shapes_of

LOOKED_AT = frozenset({"HPC", "Linux", "Mac", "OpenStack", "Proxifier", "Thunderbird"})
"""Samples whose mistakes were read while the rules were written; the others were only counted."""


def groups_of(labels: Sequence[Hashable]) -> set[frozenset[int]]:
    """The sets of lines that have one label."""
    found: dict[Hashable, set[int]] = defaultdict(set)
    for number, label in enumerate(labels):
        found[label].add(number)
    return {frozenset(lines) for lines in found.values()}


def accuracy(labelled: Sequence[Hashable], grouped: Sequence[Hashable]) -> tuple[float, float]:
    """Grouping accuracy of lines, and F1 of groups."""
    wanted, found = groups_of(labelled), groups_of(grouped)
    right = wanted & found
    return sum(map(len, right)) / len(labelled), 2 * len(right) / (len(wanted) + len(found))


def main(folder: Path) -> int:
    files = sorted(folder.rglob("*_2k.log_structured.csv"))
    if not files:
        print(f"{folder} holds no *_2k.log_structured.csv.", file=sys.stderr)
        return 2
    rows: list[tuple[str, tuple[float, float, float]]] = []
    lines, began, spent = 0, time.monotonic(), 0.0
    print("| system | lines right | groups right (F1) | lines right by values alone |\n|---|---|---|---|")
    for file in files:
        name = file.name.partition("_")[0]
        with file.open(encoding="utf-8", errors="replace", newline="") as text:
            records = list(csv.DictReader(text))
        messages, labels = [each["Content"] for each in records], [each["EventId"] for each in records]
        began = time.monotonic()
        shapes = shapes_of(messages)
        spent, lines = spent + time.monotonic() - began, lines + len(messages)
        of_lines, of_groups = accuracy(labels, shapes)
        plain, _ = accuracy(labels, [fingerprint(message) for message in messages])
        rows.append((name, (of_lines, of_groups, plain)))
        print(f"| {name}{'*' if name in LOOKED_AT else ''} | {of_lines:.3f} | {of_groups:.3f} | {plain:.3f} |")
    for title, some in (
        ("mean", rows),
        ("mean of those not looked at", [row for row in rows if row[0] not in LOOKED_AT]),
    ):
        if some:
            print(
                f"| {title} | "
                + " | ".join(f"{sum(row[1][at] for row in some) / len(some):.3f}" for at in range(3))
                + " |"
            )
    print(f"\n{lines:,} lines in {spent:.1f} s. * mistakes in it were read while the rules were written.")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print(
            "Say where loghub is: make accuracy-logs LOGHUB=FOLDER (a clone of github.com/logpai/loghub)",
            file=sys.stderr,
        )
        sys.exit(2)
    sys.exit(main(Path(sys.argv[1])))
