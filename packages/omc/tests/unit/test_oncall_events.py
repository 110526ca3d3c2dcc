"""What the events of a rota and of a person's contacts come to, one story at a time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest

from omc.errors import OmcError, Refused, WrongUse
from omc.model.events import Event, UnknownEvent
from omc.model.typed_json import Misfit, from_json, to_json
from omc.oncall.events import (
    CONTACT,
    MAX_ATTEMPTS,
    ROTA,
    CodeRefused,
    CodeSent,
    Confirmed,
    ContactPayload,
    ContactRecord,
    Imported,
    OverrideAdded,
    RotaPayload,
    RotaRecord,
    Undone,
    Withdrawn,
    digest_of,
    judge_code,
    replay_contact,
    replay_rota,
)
from omc.oncall.model import WEEK, Calendar, Entry, Layer, Rota, WeeklyWindow

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def story(*happened: RotaPayload | UnknownEvent) -> RotaRecord:
    events = [Event(NOON + timedelta(minutes=number), "ann", what) for number, what in enumerate(happened)]
    return replay_rota("primary", events)


ADDED = OverrideAdded(NOON, NOON + HOUR, ("jo",), "bob", reason="dentist")
FIRST = Rota(
    "other",
    "Europe/Dublin",
    (
        Layer(
            "1", (("jo",), ("bob", "kim"), ()), date(2026, 1, 5), time(9, 30), WEEK, 1, (WeeklyWindow(0, time(9), 60),)
        ),
    ),
    (Calendar("x", (Entry(NOON, NOON + HOUR, ("jo",)),), 2),),
)
SECOND = Rota("other", "UTC")


def test_an_override_is_known_by_its_number_and_undone_by_it() -> None:
    record = story(ADDED, ADDED, Undone(1))
    assert [(each.id, each.by, each.reason, each.recorded_at) for each in record.overrides] == [
        ("1", "ann", "dentist", NOON),
        ("2", "ann", "dentist", NOON + timedelta(minutes=1)),
    ]
    assert [each.undone_at for each in record.overrides] == [NOON + timedelta(minutes=2), None]
    assert record.undone == (1,)


def test_the_last_import_that_wasnt_undone_is_in_force() -> None:
    assert story(ADDED).imported() is None
    found = story(Imported(FIRST, "a"), Imported(SECOND, "b")).imported()
    assert found is not None
    assert (found.zone, found.name, found.changed_at) == ("UTC", "primary", NOON + timedelta(minutes=1))
    undone = story(Imported(FIRST, "a"), Imported(SECOND, "b"), Undone(2)).imported()
    assert undone is not None
    assert undone.zone == "Europe/Dublin"
    assert undone.changed_at == NOON + timedelta(minutes=2), "what is in force changed when the second was undone"
    assert story(Imported(FIRST, "a"), Undone(1)).imported() is None


@pytest.mark.parametrize(
    ("happened", "error", "expected"),
    [
        ((OverrideAdded(NOON, NOON, ("jo",)),), WrongUse, "ends before it begins"),
        ((OverrideAdded(NOON, NOON + HOUR, ()),), WrongUse, "names nobody"),
        ((Undone(1),), WrongUse, "has no event 1. See: omc oncall schedule primary"),
        ((ADDED, Undone(2)), WrongUse, "has no event 2"),
        ((ADDED, Undone(1), Undone(1)), Refused, "was undone already"),
        ((ADDED, Undone(1), Undone(2)), Refused, "can't be undone: record what you want instead"),
    ],
)
def test_what_may_not_happen_is_refused(
    happened: tuple[RotaPayload, ...], error: type[OmcError], expected: str
) -> None:
    with pytest.raises(error) as raised:
        story(*happened)
    assert expected in raised.value.message


def test_what_a_newer_omc_recorded_is_kept_and_changes_nothing() -> None:
    record = story(UnknownEvent("swapped", 1, {}), ADDED)
    assert [each.id for each in record.overrides] == ["2"]


@pytest.mark.parametrize("payload", [ADDED, Imported(FIRST, "a"), Imported(SECOND, "b"), Undone(3, "x")])
def test_each_event_of_a_rota_is_read_as_it_was_written(payload: RotaPayload) -> None:
    assert ROTA.read(*ROTA.write(payload)) == payload


METHOD = "sms:+61400000000"
SENT = CodeSent(METHOD, "salt", digest_of("K7QF92MX", "salt"), NOON + timedelta(minutes=15))


def contact(*happened: ContactPayload | UnknownEvent) -> ContactRecord:
    return replay_contact("jo", [Event(NOON, "ann", what) for what in happened])


@pytest.mark.parametrize("typed", ["K7QF92MX", "K7QF-92MX", " k7qf 92mx "])
def test_the_right_code_confirms_however_it_is_typed(typed: str) -> None:
    assert judge_code(contact(SENT), METHOD, typed, NOON) == Confirmed(METHOD)
    assert contact(SENT, Confirmed(METHOD)).confirmed == (METHOD,)


def test_a_wrong_code_confirms_nothing_and_five_of_them_end_it() -> None:
    assert judge_code(contact(SENT), METHOD, "K7QF92MY", NOON) == CodeRefused(METHOD)
    tired = contact(SENT, *[CodeRefused(METHOD)] * MAX_ATTEMPTS)
    with pytest.raises(Refused, match="5 wrong codes"):
        judge_code(tired, METHOD, "K7QF92MX", NOON)
    again = contact(SENT, *[CodeRefused(METHOD)] * MAX_ATTEMPTS, SENT)
    assert judge_code(again, METHOD, "K7QF92MX", NOON) == Confirmed(METHOD)


@pytest.mark.parametrize(
    ("record", "now", "expected"),
    [
        (contact(), NOON, "No code was sent"),
        (contact(SENT), NOON + timedelta(minutes=15), "has expired"),
        (contact(SENT, Confirmed(METHOD)), NOON, "No code was sent"),
    ],
)
def test_a_code_counts_once_and_for_a_while(record: ContactRecord, now: datetime, expected: str) -> None:
    with pytest.raises(Refused, match=expected):
        judge_code(record, METHOD, "K7QF92MX", now)


def test_a_method_that_is_withdrawn_counts_as_unconfirmed() -> None:
    record = contact(SENT, Confirmed(METHOD), UnknownEvent("x", 1, {}), Withdrawn(METHOD, "opted out"))
    assert record.confirmed == ()
    assert record.count == 4


def test_the_record_holds_no_code() -> None:
    assert "K7QF" not in str(CONTACT.write(SENT))


@pytest.mark.parametrize(
    ("kind", "text"),
    [(date, "2026-W01-1"), (date, "2026-01-05T00:00:00"), (date, "5"), (time, "9:00"), (time, "09:00"), (time, "x")],
)
def test_a_date_or_a_time_is_read_only_as_it_is_written(kind: type, text: str) -> None:
    with pytest.raises(Misfit):
        from_json(kind, text)


def test_a_time_with_a_zone_isnt_kept_without_it() -> None:
    with pytest.raises(TypeError, match="has a time zone"):
        to_json(time(9, tzinfo=UTC))
    assert from_json(time, to_json(time(9, 0, 0, 5))) == time(9, 0, 0, 5)
    assert from_json(date, to_json(date(2026, 1, 5))) == date(2026, 1, 5)
