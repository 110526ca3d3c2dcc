"""`omc logs top-talkers --local` against gawk and bare DuckDB, over the same flow log of five million lines, gzipped.

python benchmarks/logs.py [--lines N] [--rounds N] [--large]    --large: also ten times as many, in as many files

Each runs as a process of its own; what is printed is the median of its wall times and the most memory that it held.
All three must give the same first rows. The aim: at most 1.3 times bare DuckDB's time, and 400 MiB.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LINES, ROUNDS, TOP = 5_000_000, 3, 20
FIELDS = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
GAWK = r"""
NR > 1 && $4 != "-" {
    port = $6 + 0 < $7 + 0 ? $6 : $7
    key = $4 " " $5 " " port " " $8 " " $13
    bytes[key] += $10
}
END { for (key in bytes) print bytes[key], key }
"""
DUCKDB = """
import duckdb, json, sys
duckdb.sql('SET enable_progress_bar = false')
rows = duckdb.sql(f'''
    SELECT srcaddr, dstaddr, least(srcport, dstport) AS port, protocol, action, sum(bytes) AS bytes
    FROM read_csv({sys.argv[1:]}, delim=' ', header=true, nullstr='-')
    WHERE srcaddr IS NOT NULL GROUP BY ALL ORDER BY bytes DESC, 1, 2, 3 LIMIT 20''').fetchall()
print(json.dumps([[row[0], row[1], row[2], int(row[5])] for row in rows]))
"""


@dataclass(frozen=True, slots=True)
class Run:
    seconds: float
    mebibytes: float
    rows: list[list[object]]


def write_flow_log(path: Path, lines: int, seed: int = 7) -> None:
    """Tasks that talk to a database, a cache, a load balancer and the internet; some clients far more than others."""
    choose = random.Random(seed)
    tasks = [f"10.0.{11 + number % 2}.{10 + number}" for number in range(40)]
    inside = [("10.0.21.5", 5432), ("10.0.22.9", 6379), ("10.0.1.20", 8000), ("10.0.2.31", 8000)]
    outside = [f"{choose.randrange(11, 200)}.{choose.randrange(256)}.{choose.randrange(256)}.9" for _ in range(20_000)]
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.write(FIELDS + "\n")
        for first in range(0, lines, 10_000):
            rows = []
            for number in range(first, min(lines, first + 10_000)):
                task, port = tasks[number % 40], 1024 + (number * 7919) % 60_000
                if number % 3:
                    there, service = inside[number % 4]
                else:
                    there, service = outside[int(20_000 * choose.random() ** 3)], 443
                ends = (task, there, port, service) if number % 2 else (there, task, service, port)
                at = 1_764_000_000 + number // 200
                action = "REJECT" if number % 97 == 0 else "ACCEPT"
                flow = (
                    f"{ends[0]} {ends[1]} {ends[2]} {ends[3]} 6 {1 + number % 90} {40 + (number * 104729) % 1_000_000}"
                )
                rows.append(f"2 123456789012 eni-{number % 40:017x} {flow} {at} {at + 60} {action} OK\n")
            file.write("".join(rows))


def measured(arguments: Sequence[str], parse: str) -> Run:
    """One process, its time and the most that it and its children held."""
    began = time.monotonic()
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=os.environ | {"COLUMNS": "200"})
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{arguments[0]} ended with {process.returncode}.")
    return Run(time.monotonic() - began, usage.ru_maxrss / 1024, _rows(text, parse))


def _rows(text: str, parse: str) -> list[list[object]]:
    if parse == "omc":
        return [[row["source"], row["destination"], row["port"], row["bytes"]] for row in json.loads(text)["talkers"]]
    if parse == "gawk":
        split = [line.split() for line in text.splitlines()]
        rows = [[row[1], row[2], int(row[3]), int(row[0])] for row in split]
        return sorted(rows, key=lambda row: (-row[3], row[0], row[1], row[2]))[:TOP]  # type: ignore[operator]  # an int
    return json.loads(text)  # type: ignore[no-any-return]


def commands(files: Sequence[Path], program: Path) -> dict[str, list[str]]:
    """Each way to the same answer."""
    names = [str(file) for file in files]
    omc = [sys.executable, "-m", "omc", "logs", "top-talkers", "--top", str(TOP), "--output", "json", "--local", *names]
    found = {"omc": omc, "DuckDB": [sys.executable, "-c", DUCKDB, *names]}
    if shutil.which("gawk"):
        script = f'for file in "$@"; do gzip -dc "$file"; done | gawk -f {program} | sort -k1,1nr -k2 | head -{TOP}'
        found["gawk"] = ["/bin/sh", "-c", script, "sh", *names]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--large", action="store_true")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="omc-bench-logs-") as folder:
        log, program = Path(folder) / "flow.log.gz", Path(folder) / "talkers.awk"
        print(f"Writing {wanted.lines:,} lines …", file=sys.stderr)
        write_flow_log(log, wanted.lines)
        program.write_text(GAWK)
        ways = commands([log], program)
        runs: dict[str, list[Run]] = {name: [] for name in ways}
        for _ in range(wanted.rounds):
            for name, arguments in ways.items():
                runs[name].append(measured(arguments, name))
        answers = {name: some[0].rows for name, some in runs.items()}
        assert all(rows == answers["DuckDB"] for rows in answers.values()), answers
        base = statistics.median(run.seconds for run in runs["DuckDB"])
        print(f"| {wanted.lines:,} lines, {log.stat().st_size / 1e6:.0f} MB gzipped | seconds | times DuckDB | MiB |")
        print("|---|---|---|---|")
        for name, some in runs.items():
            seconds = statistics.median(run.seconds for run in some)
            print(f"| {name} | {seconds:.1f} | {seconds / base:.2f} | {max(run.mebibytes for run in some):.0f} |")
        if wanted.large:
            many = [log.with_name(f"flow-{number}.log.gz") for number in range(10)]
            for each in many:
                each.hardlink_to(log)
            run = measured(commands(many, program)["omc"], "omc")
            assert [row[3] for row in run.rows] == [10 * int(str(row[3])) for row in answers["DuckDB"]]
            print(f"| omc, ten such files | {run.seconds:.1f} | | {run.mebibytes:.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
