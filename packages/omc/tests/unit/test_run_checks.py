"""The frame of checks: what is read is judged, what isn't known is never ok, and one mistake costs one check."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import NoneType
from typing import Any, get_args, get_type_hints

import pytest

from omc.checks.doctor import DOCTOR
from omc.checks.finding import Finding, Level, worst
from omc.checks.morning import MORNING
from omc.checks.run import CheckList, Report, run_checks
from omc.checks.runbook import FIRST_DAY, MORNING_CHECKS
from omc.checks.spec import CHECKS, Check, check, spec_of
from omc.config import Environment
from omc.errors import AccessDenied, NotFound, OmcError, Throttled, WrongUse
from omc.facts import collector
from omc.facts.collector import NO_READING, Reading, Unavailable, dependencies, reads
from omc.facts.scope import Scope
from omc.facts.source import Facts
from omc.model.registry import Registry
from support import release_facts
from support.fake_gateway import FakeGateway

NOW = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)
OK, WARN, FAIL, UNKNOWN = Level.OK, Level.WARN, Level.FAIL, Level.UNKNOWN
MISTAKES = (
    RecursionError, KeyError, TypeError, ValueError, ZeroDivisionError, IndexError, UnicodeError, MemoryError,
    AttributeError, OverflowError, AssertionError,
)  # fmt: skip


@dataclass(frozen=True)
class Lamp:
    """A fact of these tests' own."""

    is_lit: bool
    reading: Reading = NO_READING


@dataclass(frozen=True)
class Fuse:
    reading: Reading = NO_READING


def registered(function: Check, name: str = "", registry: Registry[str, Check] | None = None) -> Check:
    """The function as a check, in a registry that is nobody else's."""
    name = name or function.__name__.replace("_", "-")
    return check(
        name,
        title=f"Title of {name}",
        question="Is it so?",
        severity=FAIL,
        runbook=MORNING_CHECKS,
        registry=Registry("check") if registry is None else registry,
    )(function)


def lamp_is_lit(lamp: Lamp) -> Iterator[Finding]:
    yield Finding("lamp-is-lit", OK if lamp.is_lit else FAIL, "the lamp", "It is as it is.")


def fuse_if_known(lamp: Lamp | None, fuse: Fuse) -> Iterator[Finding]:
    yield Finding("fuse-if-known", OK if lamp else UNKNOWN, "the fuse", "It says what it can.")


registered(lamp_is_lit)
registered(fuse_if_known)


def facts(values: Mapping[type, Any] | None = None) -> Facts:
    """Facts that are given, not read."""
    gateway = FakeGateway({}, release_facts.environment())
    return Facts(gateway, Scope(NOW), values)


def run(*checks: Check, **values: Any) -> Report:
    return run_checks(CheckList("Test", checks, FIRST_DAY), facts({type(value): value for value in values.values()}))


def unavailable(kind: type, error: OmcError) -> dict[type, Any]:
    return {kind: Unavailable(kind, error, NO_READING)}


@pytest.mark.parametrize(("is_lit", "level", "code"), [(True, OK, 0), (False, FAIL, 1)])
def test_a_fact_that_is_known_is_judged(is_lit: bool, level: Level, code: int) -> None:
    report = run(lamp_is_lit, lamp=Lamp(is_lit))
    assert (report.title, report.at, report.verdict, report.exit_code) == ("Test", NOW, level, code)


@pytest.mark.parametrize(
    "error",
    [
        AccessDenied("Not allowed.", "ecs:List"),
        Throttled("Too fast."),
        NotFound("Gone.", "ClusterNotFoundException"),
        OmcError("It broke."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_fact_that_could_not_be_read_is_unknown_with_the_reason(error: OmcError) -> None:
    report = run_checks(CheckList("Test", (lamp_is_lit,), FIRST_DAY), facts(unavailable(Lamp, error)))
    [found] = report.findings
    assert (found.check, found.level, found.sentence) == ("lamp-is-lit", UNKNOWN, error.message)
    assert (found.unread, found.subject, found.procedure) == (True, "Title of lamp-is-lit", FIRST_DAY)
    assert found.action == ("ecs:List" if isinstance(error, AccessDenied) else "")
    assert (report.verdict, report.exit_code) == (UNKNOWN, 3)


def test_a_fact_that_a_check_can_do_without_is_none() -> None:
    values = unavailable(Lamp, Throttled("Too fast.")) | {Fuse: Fuse()}
    [found] = run_checks(CheckList("Test", (fuse_if_known,)), facts(values)).findings
    assert (found.level, found.unread) == (UNKNOWN, False)


@pytest.mark.parametrize("error", [kind("x") for kind in MISTAKES], ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("yields_before", [False, True], ids=["before its first finding", "after it"])
def test_a_mistake_inside_one_check_costs_that_check(error: Exception, yields_before: bool) -> None:
    def broken(scope: Scope) -> Iterator[Finding]:
        if yields_before:
            yield Finding("broken", OK, "half", "Half of it is fine.")
        raise error

    def sound(scope: Scope) -> Iterator[Finding]:
        yield Finding("sound", OK, "it", "It stands.")

    report = run(registered(broken), registered(sound))
    assert [(finding.check, finding.level) for finding in report.findings] == [("broken", UNKNOWN), ("sound", OK)]
    assert f"A mistake in omc ended the check broken: {type(error).__name__}" in report.findings[0].sentence
    assert report.exit_code == 3


def test_somebody_who_looks_for_the_mistake_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(scope: Scope) -> Iterator[Finding]:
        raise IndexError("here")

    monkeypatch.setenv("OMC_DEBUG", "1")
    with pytest.raises(IndexError, match="here"):
        run(registered(broken))


def test_findings_come_in_the_order_of_the_list_and_of_each_check() -> None:
    def numbered(name: str) -> Check:
        def several(scope: Scope) -> Iterator[Finding]:
            yield from (Finding(name, OK, str(number), "It is so.") for number in range(3))

        return registered(several, name)

    names = [f"check-{letter}" for letter in "zebra"]
    checks = [numbered(name) for name in names]
    for _ in range(5):
        found = run(*checks).findings
        assert [(each.check, each.subject) for each in found] == [(name, str(n)) for name in names for n in range(3)]


def test_no_checks_at_all_is_not_ok() -> None:
    assert (run().verdict, run().exit_code) == (UNKNOWN, 3)


@pytest.mark.parametrize(
    ("levels", "verdict", "code"),
    [
        ([OK], OK, 0),
        ([OK, WARN], WARN, 0),
        ([OK, UNKNOWN], UNKNOWN, 3),
        ([WARN, UNKNOWN], UNKNOWN, 3),
        ([UNKNOWN, FAIL, OK], FAIL, 1),
        ([FAIL], FAIL, 1),
    ],
)
def test_the_verdict_is_the_worst_and_says_the_exit_code(levels: list[Level], verdict: Level, code: int) -> None:
    def as_given(scope: Scope) -> Iterator[Finding]:
        yield from (Finding("as-given", level, "subject", "Sentence.") for level in levels)

    report = run(registered(as_given))
    assert (worst(report.findings), report.verdict, report.exit_code) == (verdict, verdict, code)


def test_another_accounts_credentials_end_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "_READERS", dict(collector._READERS))

    @reads
    def read_fuse(environment: Environment) -> Fuse:
        raise WrongUse("These are another account's credentials.")

    values: dict[type, Any] = {Lamp: Lamp(True)}
    with pytest.raises(WrongUse, match="another account"):
        run_checks(CheckList("Test", (fuse_if_known,)), facts(values))


def test_a_fact_is_read_once_and_its_reader_failing_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "_READERS", dict(collector._READERS))
    times: list[int] = []

    @reads
    def read_lamp(environment: Environment) -> Lamp:
        times.append(1)
        raise Throttled("AWS asks for patience.")

    given = facts()
    for _ in range(2):
        report = run_checks(CheckList("Test", (lamp_is_lit, lamp_is_lit)), given)
        assert [each.sentence for each in report.findings] == ["AWS asks for patience."] * 2
    assert len(times) == 1


@pytest.mark.parametrize("name", ["lamp", "services-running", "a"])
def test_a_second_check_of_one_id_is_refused(name: str) -> None:
    registry: Registry[str, Check] = Registry("check")

    def first(scope: Scope) -> Iterator[Finding]:
        yield from ()

    def second(scope: Scope) -> Iterator[Finding]:
        yield from ()

    registered(first, name, registry)
    with pytest.raises(RuntimeError, match=f"The check {name} is registered twice: .*first and .*second"):
        registered(second, name, registry)
    assert dict(registry) == {name: first}


def test_a_function_without_a_spec_is_no_check() -> None:
    def plain(scope: Scope) -> Iterator[Finding]:
        yield from ()

    with pytest.raises(RuntimeError, match="plain is no check"):
        spec_of(plain)


# Every check that there is


@pytest.mark.parametrize("listed", [MORNING, DOCTOR], ids=lambda listed: listed.title)
def test_what_could_not_be_read_is_unknown_for_each_check_that_needs_it(listed: CheckList) -> None:
    denied = AccessDenied("ecs DescribeServices is not allowed.", "ecs:DescribeServices")
    report = run_checks(listed, facts(nothing(listed.checks, denied)))
    assert [found.check for found in report.findings] == [spec_of(each).id for each in listed.checks]
    assert {(found.level, found.action) for found in report.findings} == {(UNKNOWN, "ecs:DescribeServices")}
    assert {found.procedure for found in report.findings} == {listed.runbook}
    assert report.exit_code == 3


@pytest.mark.parametrize("one", CHECKS.values(), ids=list(CHECKS))
def test_a_check_given_no_facts_at_all_never_says_ok(one: Check) -> None:
    report = run_checks(CheckList("Test", (one,)), facts(nothing([one], Throttled("Too fast."))))
    assert report.findings
    assert {found.level for found in report.findings} == {UNKNOWN}


@pytest.mark.parametrize("one", CHECKS.values(), ids=list(CHECKS))
def test_a_check_that_gets_only_what_it_can_do_without_never_says_ok(one: Check) -> None:
    """Each fact that it needs is lost by itself, and all the others are too or aren't read: one lack is enough."""
    needed = [kind for kind in needs(one) if not _is_optional(one, kind)]
    assert needed, "it would judge nothing that was read"
    for kind in needed:
        values: dict[type, Any] = dict.fromkeys(needs(one)) | unavailable(kind, Throttled("Too fast."))
        found = run_checks(CheckList("Test", (one,)), facts(values)).findings
        assert {(each.level, each.unread) for each in found} == {(UNKNOWN, True)}


def nothing(checks: Any, error: OmcError) -> dict[type, Any]:
    """Every fact that the checks ask for, as one that could not be read."""
    return {kind: Unavailable(kind, error, NO_READING) for one in checks for kind in needs(one)}


def needs(one: Check) -> list[type]:
    return [kind for kind in dependencies(one).values() if kind not in (Environment, Scope)]


def _is_optional(one: Callable[..., Any], kind: type) -> bool:
    hints = [get_type_hints(one)[name] for name, found in dependencies(one).items() if found is kind]
    return any(NoneType in get_args(hint) for hint in hints)


def test_the_report_is_one_value_that_is_narrowed_by_replacing() -> None:
    report = run(lamp_is_lit, lamp=Lamp(False))
    assert replace(report, fail_on=FAIL).exit_code == 1
    assert replace(report, at=NOW + timedelta(hours=1)).findings == report.findings
