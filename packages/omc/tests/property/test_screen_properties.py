"""Whatever was found, the morning check is one breath: 24 lines of 60 columns, and nothing left out without a word."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from omc.checks.finding import Evidence, Finding, Level, Procedure
from omc.config import load
from omc.facts.collector import NO_READING
from omc.reports import Report
from omc.reports.about import SECTIONS, section
from omc.reports.report_json import worst_first
from omc.reports.screen import Detail, as_screen, by_subject, merged

STACK = load(Path(__file__).parents[4] / "omc.toml")
NOW = datetime(2026, 11, 29, 16, 2, tzinfo=UTC)
ANSI = re.compile(r"\x1b\[\d*m")
PLACES = (
    "users/backend",
    "services/backend",
    "services/frontend",
    "load-balancer",
    "targets/backend",
    "database",
    "cache",
    "exchange",
    "alarms/ohmycoins-staging-backend-unhealthy-for-a-long-time-in-every-zone",
    "logs//ecs/ohmycoins-staging/backend",
    "secrets/ohmycoins-staging/backend-AbCdEf",
    "infrastructure/module.network.aws_security_group.app",
    "",
)
SENTENCES = st.one_of(
    st.sampled_from(
        (
            "0 of 2 tasks run, and none is starting.",
            "The secret is gone: no new task can start. It was deleted by jo. Restore it.",
            "CannotPullContainerError: " + "sha256:" + "0123456789abcdef" * 8 + " not found.",
            "4,000 errors of 12 kinds; newest: " + "could not resolve host database.internal " * 30,
        )
    ),
    st.text(min_size=1, max_size=90),
)
TIMES = st.one_of(st.none(), st.timedeltas(timedelta(0), timedelta(days=20)).map(lambda age: NOW - age))
PROCEDURES = st.sampled_from(
    (
        None,
        Procedure("ECS tasks keep restarting", "docs/runbook/troubleshooting.md#issue-ecs-tasks-keep-restarting"),
        Procedure("Restart", "docs/runbook/deployment.md#restart", "omc restart --env production " + "backend " * 12),
    )
)


@st.composite
def findings(draw: st.DrawFn) -> Finding:
    level = draw(st.sampled_from(Level))
    unread = level is Level.UNKNOWN and draw(st.booleans())
    past = not unread and level is not Level.OK and draw(st.booleans())
    return Finding(
        check=draw(st.sampled_from(("services-running", "alarms", "recent-errors", "users", "made-up"))),
        level=level,
        subject=draw(st.text(min_size=1, max_size=12)),
        sentence=draw(SENTENCES),
        evidence=(Evidence(draw(SENTENCES), NO_READING),),
        procedure=draw(PROCEDURES),
        unread=unread,
        place=draw(st.sampled_from(PLACES)),
        since=draw(TIMES),
        ended=NOW - timedelta(minutes=40) if past else None,
        explains=tuple(draw(st.lists(findings(), max_size=2))) if draw(st.integers(0, 9)) == 0 else (),
    )


def report(found: Sequence[Finding], environment: str = "staging") -> Report:
    return Report("Morning check", STACK.environments[environment], None, NOW, 0.5, tuple(found), ())


SOME = st.lists(findings(), max_size=30)


@given(SOME, st.integers(40, 120), st.booleans())
@settings(max_examples=60, deadline=None)
def test_it_fits_and_says_what_it_left_out(found: list[Finding], width: int, colour: bool) -> None:
    shown = [ANSI.sub("", each) for each in as_screen([report(found)], width=width, colour=colour).split("\n")]
    assert len(shown) <= 24
    assert all(len(each) <= width for each in shown), max(shown, key=len)
    assert shown[0].startswith(f"{report(found).verdict.upper()} staging")
    labels = [each.split(" ")[0] for each in shown[1:] if re.match(rf"({'|'.join(SECTIONS)}) +\S", each)]
    assert labels == sorted(labels, key=SECTIONS.index), "failures first, then warnings, unknowns, what was"
    left_out = [
        int(each[1]) for line in shown if (each := re.fullmatch(r"and (\d+) more(?:: .*)? \(--verbose\)", line))
    ]
    wrong = [each for each in merged(found) if each.level is not Level.OK]
    assert len(labels) + sum(left_out) == len(wrong), "each is shown, or counted"
    fails = sum(section(each) == "fail" for each in wrong)
    assert labels.count("fail") == min(fails, len(labels)), "a failure is never left out for less"
    ok = [line for line in shown if line.startswith("ok ")]
    assert len(ok) == (1 if any(each.level is Level.OK and not each.is_past for each in found) else 0)


@given(SOME, st.integers(40, 120), st.booleans())
@settings(max_examples=60, deadline=None)
def test_no_word_from_outside_begins_at_the_margin(found: list[Finding], width: int, verbose: bool) -> None:
    """A line that begins there is one of ours: nobody's log line can look like one."""
    first, *rest = as_screen([report(found)], width=width, detail=Detail(verbose=verbose)).split("\n")
    assert first.startswith(report(found).verdict.upper())
    above_the_foot = rest[: len(rest) - 1 - rest[::-1].index("")]
    ours = (*SECTIONS, "ok ", "and ", "  ")
    assert [each for each in above_the_foot if each and not each.startswith(ours)] == []


@given(st.lists(SOME, min_size=2, max_size=8), st.integers(40, 120))
@settings(max_examples=25, deadline=None)
def test_several_environments_fit_one_screen_the_worst_first(every: list[list[Finding]], width: int) -> None:
    names = list(STACK.environments)
    reports = worst_first(report(found, names[at % len(names)]) for at, found in enumerate(every))
    shown = as_screen(reports, width=width).split("\n")
    assert len(shown) <= 24
    assert all(len(each) <= width for each in shown)
    assert shown[0].startswith(reports[0].verdict.upper())
    heads = [each for each in shown if re.match(r"(OK|WARN|UNKNOWN|FAIL) (staging|production|local)\b", each)]
    assert len(heads) == len(reports), "none hides another"


@given(SOME, st.integers(40, 120))
@settings(max_examples=20, deadline=None)
def test_verbose_holds_every_sentence_and_all_that_it_rests_on(found: list[Finding], width: int) -> None:
    from omc.output import line

    shown = as_screen([report(found)], width=width, detail=Detail(verbose=True, everything=True))
    plain = "".join(shown.split())
    for each in found:
        if each.unread:
            continue
        for part in re.split(r"(?<=start)\. ", line(each.sentence)):  # the first line may have said its beginning
            assert "".join(part.rstrip(".").split()) in plain
        assert each.evidence[0].text == each.sentence or "".join(line(each.evidence[0].text).split()) in plain


@given(SOME, SOME)
@settings(max_examples=20, deadline=None)
def test_watching_marks_what_is_new_and_what_is_gone_within_the_same_screen(
    before: list[Finding], after: list[Finding]
) -> None:
    earlier = by_subject(report(before))
    shown = as_screen([report(after)], width=60, before=[earlier], lines=21).split("\n")
    assert len(shown) <= 21
    assert all(len(each) <= 60 for each in shown)
    same = as_screen([report(after)], width=60, before=[by_subject(report(after))])
    assert "[new]" not in same
    assert not re.search(r"^gone ", same, re.MULTILINE)


@given(SOME)
@settings(max_examples=40, deadline=None)
def test_what_is_over_never_holds_the_exit_code_and_strict_keeps_it(found: list[Finding]) -> None:
    now = [each for each in found if not each.is_past]
    whole, left = report(found), report(now)
    if now:
        assert whole.verdict is left.verdict
        assert whole.exit_code == left.exit_code
    elif found:
        assert (whole.verdict, whole.exit_code) == (Level.OK, 0)
    tight = replace(whole, strict=True)
    if any(each.level in (Level.WARN, Level.FAIL) for each in found):
        assert tight.exit_code in (1, 3)
        assert (tight.exit_code == 3) == (tight.verdict is Level.UNKNOWN)
