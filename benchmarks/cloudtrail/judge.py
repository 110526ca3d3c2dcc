"""The security review's judgement of single calls, held against labelled events that others wrote.

    OMC_PUBLIC_CLOUDTRAIL=FOLDER python benchmarks/cloudtrail/judge.py

FOLDER holds copies of panther-labs/panther-analysis (``rules/aws_cloudtrail_rules/*.yml``) and of
DataDog/stratus-red-team (``docs/detonation-logs/*.json``). Nothing of them is kept here. A positive event of a rule
must be found by what ``judged_rules`` names for it. A negative must not be: not by that, and of the table of operations
not by a row that finds one of the rule's positives. An event that was written without a time gets one, since all of
CloudTrail's have it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parent))

from judged_rules import APPLY, LEFT_OUT

from omc.facts.security.trail_event import TrailEvent, event_of
from omc.review.security import conditions, signs
from omc.review.security.concerns import concerns_of

FOLDER = "OMC_PUBLIC_CLOUDTRAIL"
Judge = Callable[[TrailEvent], bool]


def _when(condition: Judge) -> Judge:
    """A condition that makes one of the table's calls worse."""
    return lambda event: bool(concerns_of(event)) and condition(event)


JUDGES: Mapping[str, Judge] = {
    "root": signs.is_root_use,
    "failed-root-login": signs.is_failed_root_login,
    "failed-login": signs.is_failed_login,
    "login-without-mfa": signs.is_login_without_mfa,
    "denied": signs.is_denied,
    "opens-to-world": _when(conditions.opens_to_world),
    "all-rights": _when(conditions.gives_all_rights),
    "quarantine": _when(conditions.is_quarantine),
    "for-another": _when(conditions.is_for_another),
    "opens-range": _when(conditions.opens_range),
}
ATTACKS_LEFT_OUT: Mapping[str, str] = {
    "aws.credential-access.secretsmanager-retrieve-secrets": "reads of single secrets are what services do",
    "aws.credential-access.ssm-retrieve-securestring-parameters": "reads of Parameter Store, which this stack hasn't",
    "aws.impact.bedrock-invoke-model": "Bedrock, which this stack hasn't",
}


@dataclass(frozen=True)
class Score:
    """Of one rule."""

    rule: str
    by: str
    found: int
    missed: tuple[str, ...]
    wrong: tuple[str, ...]
    quiet: int


def scores(folder: Path) -> Iterator[Score]:
    """Panther's rules that apply, with what was missed and what was wrongly found."""
    for path in sorted((folder / "rules/aws_cloudtrail_rules").glob("*.yml")):
        rule = yaml.safe_load(path.read_text())
        name = rule.get("RuleID", "")
        if name not in APPLY:
            if not any(name in names.split() for names in LEFT_OUT.values()):
                raise SystemExit(
                    f"{name} is neither applied nor left out with a reason: benchmarks/cloudtrail/judged_rules.py"
                )
            continue
        found, quiet, missed, wrong = 0, 0, list[str](), list[str]()
        tests = [(test, _told(test.get("Log") or {}, APPLY[name].split())) for test in rule.get("Tests", [])]
        rows = {row for test, told in tests if test["ExpectedResult"] for row in told}
        for test, told in tests:
            if test["ExpectedResult"]:
                found, missed = (found + 1, missed) if told else (found, [*missed, test["Name"]])
            else:
                quiet, wrong = (quiet, [*wrong, test["Name"]]) if told & rows else (quiet + 1, wrong)
        yield Score(name, APPLY[name], found, tuple(missed), tuple(wrong), quiet)


def _told(record: Mapping[str, Any], by: list[str]) -> set[Any]:
    """What tells it: names of judges, and rows of the table whose subject is among ``by``."""
    event = event_of({"eventTime": "2026-01-01T00:00:00Z"} | record)
    if event is None:
        return set()
    rows = {one for one in concerns_of(event) if one.subject in by}
    return rows | {name for name in by if name in JUDGES and JUDGES[name](event)}


def attacks(folder: Path) -> Iterator[tuple[str, int, int]]:
    """Each detonation, its calls, and how many of them the review tells."""
    for path in sorted((folder / "docs/detonation-logs").glob("aws.*.json")):
        records: list[Mapping[str, Any]] = json.loads(path.read_text())
        events = [event for record in records if (event := event_of(record))]
        told = [one for one in events if concerns_of(one) or signs.is_login_without_mfa(one) or signs.is_denied(one)]
        yield path.stem, len(events), len(told)


def page(folder: Path) -> Iterator[str]:
    every = list(scores(folder))
    found, missed = sum(one.found for one in every), sum(len(one.missed) for one in every)
    wrong, quiet = sum(len(one.wrong) for one in every), sum(one.quiet for one in every)
    yield "| rule of Panther's | found by | found | missed | rightly quiet | wrongly found |"
    yield "|---|---|---|---|---|---|"
    for one in every:
        yield f"| {one.rule} | {one.by} | {one.found} | {len(one.missed)} | {one.quiet} | {len(one.wrong)} |"
    yield ""
    yield (
        f"{len(every)} rules, {found + missed + wrong + quiet} events: recall {found / (found + missed):.3f} "
        f"({found} of {found + missed}), precision {found / (found + wrong):.3f} ({found} of {found + wrong})."
    )
    if "--why" in sys.argv:
        for one in every:
            yield from (f"missed: {one.rule}: {name}" for name in one.missed)
            yield from (f"wrong: {one.rule}: {name}" for name in one.wrong)
    yield ""
    tried = [one for one in attacks(folder) if one[0] not in ATTACKS_LEFT_OUT]
    seen = [name for name, _, told in tried if told]
    yield f"Stratus Red Team: {len(seen)} of {len(tried)} attacks have a call that is told."
    yield from (f"Not told: {name} ({calls} calls)." for name, calls, told in tried if not told)
    yield from (f"Left out: {name}: {why}." for name, why in ATTACKS_LEFT_OUT.items())


def main() -> None:
    folder = os.environ.get(FOLDER, "")
    if not folder or not (Path(folder) / "rules/aws_cloudtrail_rules").is_dir():
        print(f"Skipped: {FOLDER} names no folder with panther-labs/panther-analysis and DataDog/stratus-red-team.")
        return
    print("\n".join(page(Path(folder))))


if __name__ == "__main__":
    main()
