"""What is coming: windows, freezes, AWS's own work, and the window of ours that is proposed for it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from omc.config.model import Freeze
from omc.config.windows import MaintenanceWindow
from omc.errors import WrongUse
from omc.facts.pending import Maintenance, Pending
from omc.facts.scope import Scope
from omc.maintenance.calendar import Calendar, Kind, calendar
from omc.maintenance.calendar_document import calendar_document, ical
from omc.maintenance.definition import from_text, time_of
from omc.model.maintenance import MaintenanceRequest, MaintenanceStep
from omc.model.planned import Planned
from omc.model.typed_json import to_json
from omc.output import terminal
from omc.times import zone_named
from support import release_facts as example

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
WINDOW = MaintenanceWindow("sunday", time(2), time(4), zone_named("AEST"), "AEST")
FIRST, SECOND = datetime(2026, 12, 5, 16, tzinfo=UTC), datetime(2026, 12, 12, 16, tzinfo=UTC)
FREEZE = Freeze(FIRST + timedelta(hours=1), FIRST + timedelta(days=1), "launch")
ENVIRONMENT = example.environment(windows=(WINDOW,))
FROZEN = replace(ENVIRONMENT, freezes=(FREEZE,))
RETIREMENT = Planned("1" * 32, "health", "staging", "cluster|backend", "AWS_ECS_TASK_PATCHING_RETIREMENT", None, None)


def days(count: int) -> datetime:
    return NOW + timedelta(days=count)


def found(environment: object = ENVIRONMENT, *work: Maintenance, announced: tuple[Planned, ...] = ()) -> Calendar:
    return calendar(environment, NOW, days(21), Pending((), work), announced)  # type: ignore[arg-type]


def work(**dates: datetime) -> Maintenance:
    return replace(Maintenance("the database shop", "system-update", "sat:16:00-sat:18:00"), **dates)  # type: ignore[arg-type]  # mypy takes any field for any


def test_a_maintenance_without_a_time_takes_the_next_window_that_is_not_frozen() -> None:
    written = from_text('title = "Restart"\n[[step]]\nmanual = "Look"')
    assert time_of(written, ENVIRONMENT, NOW) == (FIRST, FIRST + timedelta(hours=2))
    assert time_of(written, FROZEN, NOW) == (SECOND, SECOND + timedelta(hours=2))


@pytest.mark.parametrize("begin", ["0001-01-01T00:00:00+10:00", "9999-12-31T23:00:00-10:00"])
def test_a_time_beyond_every_calendar_is_no_time_of_a_maintenance(begin: str) -> None:
    written = from_text(f'title = "Restart"\nbegin = {begin}\n[[step]]\nmanual = "Look"')
    with pytest.raises(WrongUse, match="is no time that a maintenance could have"):
        time_of(written, ENVIRONMENT, NOW)


def test_in_a_freeze_a_maintenance_is_planned_with_a_reason_only() -> None:
    begin, end = (FIRST + timedelta(minutes=minutes) for minutes in (30, 90))
    steps = [to_json(MaintenanceStep("Look", undo="nothing"))]
    request = MaintenanceRequest("Restart", begin.isoformat(), end.isoformat(), steps)

    def refusals(environment: object, override: str = "") -> tuple[str, ...]:
        asked = replace(request, override=override)
        return example.planned("maintenance", asked, environment=environment, scope=Scope(NOW, NOW - NOW)).refusals

    assert refusals(ENVIRONMENT) == ()
    [refusal] = refusals(FROZEN)
    assert "staging is frozen then: launch, until" in refusal
    assert refusals(FROZEN, "AWS asked for it") == ()


def test_windows_in_a_freeze_are_marked() -> None:
    assert [(each.kind, each.remark) for each in found(FROZEN).entries] == [
        (Kind.WINDOW, "frozen"),
        (Kind.FREEZE, ""),
        (Kind.WINDOW, ""),
        (Kind.WINDOW, ""),
    ]


@pytest.mark.parametrize(
    ("environment", "dates", "begin", "reason"),
    [
        (ENVIRONMENT, {}, FIRST, "the next window"),
        (FROZEN, {}, SECOND, "the next window"),
        (ENVIRONMENT, {"forced": days(30)}, FIRST, "the next window"),
        (ENVIRONMENT, {"forced": FIRST + timedelta(hours=1)}, None, "No window of ours comes before its date"),
        (FROZEN, {"applied": days(8)}, None, "No window of ours comes before its date"),
        (ENVIRONMENT, {"wanted": days(-2)}, None, "Its date is past"),
        (replace(ENVIRONMENT, windows=()), {"forced": days(30)}, None, "staging has no maintenance window"),
    ],
)
def test_the_window_that_is_proposed_for_aws_s_work(
    environment: object, dates: dict[str, datetime], begin: datetime | None, reason: str
) -> None:
    [proposal] = found(environment, work(**dates)).proposals
    assert (proposal.window and proposal.window.begin) == begin
    assert reason in proposal.reason


def test_a_window_that_is_open_already_is_not_proposed() -> None:
    at = FIRST + timedelta(minutes=1)
    [proposal] = calendar(ENVIRONMENT, at, at + timedelta(days=21), Pending((), (work(),))).proposals
    assert proposal.window is not None
    assert proposal.window.begin == SECOND


@pytest.mark.parametrize(("left", "lines"), [(timedelta(days=300), 0), (timedelta(days=90), 1)])
def test_the_end_of_the_servers_certificate_is_work_for_a_window(left: timedelta, lines: int) -> None:
    record = {
        "DBInstanceIdentifier": "shop",
        "CertificateDetails": {"CAIdentifier": "rds-ca-rsa2048-g1", "ValidTill": NOW + left},
    }
    proposals = calendar(ENVIRONMENT, NOW, days(21), Pending((), (), record)).proposals
    assert len(proposals) == lines
    assert all(each.by == NOW + left and each.window is not None for each in proposals)


def test_what_was_announced_without_a_time_stands_at_the_end_and_is_proposed() -> None:
    made = found(announced=(RETIREMENT, replace(RETIREMENT, id="2" * 32, start=days(9), end=days(9))))
    assert [each.begin for each in made.entries][-2:] == [SECOND + timedelta(days=7), None]
    assert [each.window is not None for each in made.proposals] == [True, True]


def test_what_was_not_read_is_no_empty_calendar() -> None:
    made = calendar(replace(ENVIRONMENT, windows=()), NOW, days(1), unread=("What AWS plans was not read: no login.",))
    document = calendar_document(made, "Australia/Sydney")
    text = terminal.render(document, width=120)
    assert "unknown: What AWS plans was not read: no login. Something may be coming that isn't shown." in text
    assert document.data["unread"] == ["What AWS plans was not read: no login."]


def test_where_aws_was_not_asked_the_calendar_says_so() -> None:
    icalendar = pytest.importorskip("icalendar")
    for pending, is_read in ((None, False), (Pending(()), True)):
        made = calendar(ENVIRONMENT, NOW, days(7), pending)
        document = calendar_document(made, "Australia/Sydney")
        assert document.data["is_aws_read"] is is_read
        assert ("AWS wasn't asked" in terminal.render(document, width=200)) is not is_read
        assert ("x-wr-caldesc" in icalendar.Calendar.from_ical(ical(made, NOW))) is not is_read


def test_each_time_is_shown_in_three_zones() -> None:
    city = replace(ENVIRONMENT, windows=(replace(WINDOW, zone=zone_named("Europe/Berlin"), zone_name="Europe/Berlin"),))
    document = calendar_document(found(city), "Australia/Sydney")
    text = terminal.render(document, width=200)
    assert "Sun 06 Dec 02:00 to 04:00 CET" in text
    assert "Sun 06 Dec 12:00 to 14:00 AEDT" in text
    assert "Sun 06 Dec 01:00 to 03:00" in text
    first = json.loads(json.dumps(document.data))["entries"][0]
    assert (first["begin"], first["begin_in_zone"]) == ("2026-12-06T01:00:00.000+00:00", "2026-12-06T02:00:00+01:00")


def test_the_ical_file_is_read_back_by_its_library(tmp_path: Path) -> None:
    icalendar = pytest.importorskip("icalendar")
    made = found(FROZEN, work(forced=days(10)), announced=(RETIREMENT,))
    events = icalendar.Calendar.from_ical(ical(made, NOW)).walk("VEVENT")
    dated = [each for each in made.entries if each.begin is not None]
    assert [event.decoded("dtstart") for event in events] == [each.begin for each in dated]
    assert len({str(event["uid"]) for event in events}) == len(dated)
    assert ical(made, NOW) == ical(found(FROZEN, work(forced=days(10)), announced=(RETIREMENT,)), NOW)
