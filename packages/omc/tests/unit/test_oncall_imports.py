"""Exports of PagerDuty, Opsgenie and Grafana OnCall as rotas. The shapes are those of their APIs' documentation."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc.config.mistakes import Source, read_as
from omc.config.oncall_tables import RotaTable
from omc.model.people import Channel, ContactMethod, Person
from omc.oncall.configured import rota_from, toml_of
from omc.oncall.documents import import_document
from omc.oncall.imports.draft import Draft, Finder, WrongFile, changes
from omc.oncall.imports.read import SOURCES, SourceFile, read_files
from omc.oncall.model import DAY, WEEK, Layer, Rota, Shift, WeeklyWindow
from omc.oncall.schedule import on_call, shifts
from omc.output import markdown, terminal

NOW = datetime(2026, 11, 30, tzinfo=UTC)
SYDNEY = "Australia/Sydney"
PERSONS = {
    "jo": Person("jo", "Jo Smith", (ContactMethod(Channel.EMAIL, "jo@example.com"),)),
    "bob": Person("bob", "Bob", ()),
}


def read(source: str, *documents: Any, aliases: dict[str, str] | None = None) -> list[Draft]:
    files = [SourceFile(f"{number}.json", json.dumps(each).encode()) for number, each in enumerate(documents)]
    return read_files(source, files, SYDNEY, Finder(PERSONS, aliases or {}), NOW)


def who(rota: Rota, *parts: int) -> tuple[str, ...]:
    tile = on_call(rota, datetime(*parts, tzinfo=UTC))  # type: ignore[arg-type, misc]  # of a test
    return tile.people if isinstance(tile, Shift) else ()


def user(name: str, **more: str) -> dict[str, Any]:
    return {"user": {"id": name, "type": "user_reference", **more}}


def layer(name: str, *users: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "name": name,
        "start": "2026-01-05T09:00:00+11:00",
        "end": None,
        "rotation_virtual_start": "2026-01-05T09:00:00+11:00",
        "rotation_turn_length_seconds": WEEK,
        "users": list(users),
        "restrictions": [],
        **more,
    }


def schedule(*layers: Any, **more: Any) -> dict[str, Any]:
    return {
        "schedule": {
            "id": "PL5FQHC",
            "type": "schedule",
            "name": "Primary On-Call",
            "time_zone": SYDNEY,
            "schedule_layers": list(layers),
            **more,
        }
    }


JO, BOB = user("PJO", email="jo@example.com", summary="Joanna S."), user("PBOB", summary="Bob")


def test_the_first_of_pagerdutys_layers_wins_and_hand_overs_keep_their_local_time() -> None:
    days = layer(
        "days",
        user("PKIM", summary="Kim Lee"),
        restrictions=[
            {
                "type": "weekly_restriction",
                "start_day_of_week": 1,
                "start_time_of_day": "09:00:00",
                "duration_seconds": 28800,
            }
        ],
    )
    (draft,) = read("pagerduty", schedule(days, layer("base", JO, BOB)))
    rota = draft.rota
    assert (rota.name, draft.title, rota.zone) == ("primary-on-call", "Primary On-Call", SYDNEY)
    assert [(each.name, each.level, each.start.isoformat(), each.hand_over) for each in rota.layers] == [
        ("base", 1, "2026-01-05", time(9)),
        ("days", 2, "2026-01-05", time(9)),
    ]
    assert rota.layers[1].windows == (WeeklyWindow(0, time(9), 28800),)
    assert rota.layers[0].turns == (("jo",), ("bob",))
    assert who(rota, 2026, 1, 5, 1) == ("kim-lee",)
    assert who(rota, 2026, 1, 6, 1) == ("jo",)
    assert who(rota, 2026, 7, 5, 22, 59) != who(rota, 2026, 7, 5, 23, 0), "9:00 in winter as in summer"
    assert (draft.unread, draft.notes) == ((), ())


def test_pagerdutys_own_schedule_is_compared_entry_by_entry() -> None:
    def entry(begin: str, end: str, name: str) -> dict[str, Any]:
        return {"start": begin, "end": end, **user(name)}

    own = {
        "rendered_schedule_entries": [
            entry("2026-12-07T09:00:00+11:00", "2026-12-14T09:00:00+11:00", "PJO"),
            entry("2026-12-14T09:00:00+11:00", "2026-12-20T09:00:00+11:00", "PBOB"),
            entry("2026-12-20T09:00:00+11:00", "2026-12-21T09:00:00+11:00", "PJO"),
        ]
    }
    users = {"users": [{"id": "PJO", "name": "Jo Smith", "email": "x"}, {"id": "PBOB", "name": "Bob", "email": "y"}]}
    (draft,) = read("pagerduty", schedule(layer("base", user("PJO"), user("PBOB")), final_schedule=own), users)
    assert draft.disagreements == (
        "From Sun 20 Dec 09:00:00 AEDT (Sat 22:00 UTC) to Mon 21 Dec 09:00:00 AEDT (Sun 22:00 UTC) PagerDuty's final "
        "schedule has jo, this rota bob.",
    )
    overridden = {"rendered_schedule_entries": own["rendered_schedule_entries"][2:]}
    (draft,) = read(
        "pagerduty",
        schedule(layer("base", user("PJO"), user("PBOB")), final_schedule=own, overrides_subschedule=overridden),
        users,
    )
    assert draft.disagreements == ()
    assert [each.people for each in draft.rota.overrides] == [("jo",)]


def test_what_of_pagerduty_cant_be_read_is_named() -> None:
    (draft,) = read(
        "pagerduty",
        schedule(
            layer("ended", JO, end="2026-06-01T00:00:00Z"),
            layer("minutes", JO, rotation_turn_length_seconds=60),
            layer("later", JO, rotation_virtual_start="soon"),
            layer("monthly", JO, restrictions=[{"type": "monthly_restriction", "start_time_of_day": "09:00:00"}]),
            layer("none"),
            layer("deleted", user("PEVE", summary="Eve", deleted_at="2026-01-01T00:00:00Z")),
            layer("halves", JO, rotation_turn_length_seconds=12 * 3600),
            "what",
            overrides_subschedule={"rendered_schedule_entries": [{"start": "x", "end": "y", **JO}]},
        ),
    )
    assert [each.name for each in draft.rota.layers] == ["halves", "deleted"]
    assert draft.unread == (
        "The layer minutes couldn't be read: its turns are 60 s long.",
        "The layer later couldn't be read: rotation_virtual_start is 'soon', which is no time.",
        "The layer monthly couldn't be read: 'duration_seconds' is missing.",
        "The layer none couldn't be read: it has no users.",
        "Layer 8 couldn't be read: string indices must be integers, not 'str'.",
        "Entry 1 of the schedule couldn't be read: it lasts from 'x' to 'y'.",
    )
    assert draft.notes[0] == "The layer ended ended on 01 Jun 2026 and was left out."
    assert draft.notes[1].startswith("Eve was deleted there")
    assert draft.notes[2].startswith("Turns of 12 h in halves are handed over at the same local times")


def test_pagerdutys_third_version_is_unfolded() -> None:
    def member(name: str) -> dict[str, Any]:
        return {"type": "user_member", "user_id": name}

    weekdays = {
        "name": "days",
        "start_time": {"date_time": "2026-11-30T09:00:00", "time_zone": SYDNEY},
        "end_time": {"date_time": "2026-11-30T17:00:00", "time_zone": SYDNEY},
        "effective_since": "2026-11-01T00:00:00Z",
        "effective_until": None,
        "recurrence": ["RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"],
        "assignment_strategy": {
            "type": "rotating_member_assignment_strategy",
            "shifts_per_member": 2,
            "members": [member("jo"), member("bob"), {"type": "empty_member"}],
        },
    }
    item = {
        "schedule": {
            "id": "P3",
            "type": "schedule_v3",
            "name": "Three",
            "time_zone": SYDNEY,
            "rotations": [{"name": "r", "events": [weekdays, {"name": "broken"}]}],
            "overrides": [
                {
                    "start_time": "2026-11-30T00:00:00Z",
                    "end_time": "2026-11-30T02:00:00Z",
                    "overridden_member": member("jo"),
                    "overriding_member": member("bob"),
                }
            ],
            "custom_shifts": [{}],
        }
    }
    (draft,) = read("pagerduty", item)
    assert [who(draft.rota, 2026, 12, day, 3) for day in range(1, 9)] == [
        ("jo",),
        ("bob",),
        ("bob",),
        (),
        (),
        (),
        (),
        ("jo",),
    ]
    assert who(draft.rota, 2026, 11, 30, 1) == ("bob",)
    assert draft.unread == (
        "The event broken of r couldn't be read: 'start_time' is missing.",
        "Its custom shifts can't be read: enter them with omc oncall override.",
    )
    assert draft.rota.known_until == NOW + timedelta(days=400)


def rotation(name: str, *participants: tuple[str, str], **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "name": name,
        "type": "weekly",
        "length": 1,
        "startDate": "2026-11-01T22:00:00Z",
        "participants": [{"type": kind, "username": who_, "id": who_} for kind, who_ in participants],
        **more,
    }


def test_opsgenies_rotations_stand_beside_each_other_and_keep_their_zone() -> None:
    nights = rotation(
        "nights",
        ("user", "bob"),
        timeRestriction={
            "type": "time-of-day",
            "restriction": {"startHour": 22, "startMin": 30, "endHour": 6, "endMin": 0},
        },
    )
    weekend = rotation(
        "weekend",
        ("user", "kim@example.com"),
        timeRestriction={
            "type": "weekday-and-time-of-day",
            "restrictions": [
                {"startDay": "friday", "startHour": 17, "startMin": 0, "endDay": "monday", "endHour": 9, "endMin": 0}
            ],
        },
    )
    week = rotation("week", ("user", "jo@example.com"), ("none", ""), ("team", "ops"), ("user", "bob"))
    (draft,) = read(
        "opsgenie", {"data": {"id": "s", "name": "Ops", "timezone": SYDNEY, "rotations": [week, nights, weekend]}}
    )
    assert draft.rota.layers[0] == Layer(
        "week",
        (("jo",), (), (), ("bob",)),
        date(2026, 11, 2),
        time(9),
        WEEK,
        1,
    )
    assert draft.rota.layers[1].windows[0] == WeeklyWindow(0, time(22, 30), 7 * 3600 + 1800)
    assert draft.rota.layers[2].windows == (WeeklyWindow(4, time(17), 2 * DAY + 16 * 3600),)
    assert who(draft.rota, 2026, 11, 3, 12) == ("jo", "bob"), "23:00 in Sydney"
    assert draft.unread == ("A participant is of type team: ops. Its turns are nobody's here.",)


def test_opsgenies_overrides_may_be_for_some_rotations_only() -> None:
    item = {
        "name": "Ops",
        "id": "s",
        "timezone": SYDNEY,
        "rotations": [rotation("one", ("user", "jo")), rotation("two", ("user", "bob"))],
        "overrides": [
            {
                "alias": "a",
                "user": {"type": "user", "username": "kim"},
                "startDate": "2026-12-01T00:00:00Z",
                "endDate": "2026-12-01T02:00:00Z",
                "rotations": [{"id": "two"}],
            },
            {
                "user": {"type": "team", "id": "x"},
                "startDate": "2026-12-01T00:00:00Z",
                "endDate": "2026-12-01T02:00:00Z",
            },
        ],
        "finalTimeline": {
            "rotations": [
                {
                    "periods": [
                        {
                            "startDate": "2026-12-02T00:00:00Z",
                            "endDate": "2026-12-02T01:00:00Z",
                            "recipient": {"type": "user", "name": "jo"},
                        }
                    ]
                }
            ]
        },
    }
    (draft,) = read("opsgenie", [item])
    assert who(draft.rota, 2026, 12, 1, 1) == ("jo", "kim")
    assert draft.disagreements[0].endswith("Opsgenie's timeline has jo, this rota bob and jo.")
    assert draft.unread == (
        "A participant is of type team: x. Its turns are nobody's here.",
        "Override 2 couldn't be read: it names team, not a person.",
    )


def test_what_is_disabled_or_over_in_opsgenie_is_left_out_and_said_so() -> None:
    item = {
        "name": "Ops",
        "timezone": "Mars/Base",
        "enabled": False,
        "rotations": [
            rotation("off", ("user", "jo"), enabled=False),
            rotation("over", ("user", "jo"), endDate="2026-01-01T00:00:00Z"),
            rotation("hours", ("user", "jo"), type="hourly", length=12),
            rotation("odd", ("user", "jo"), type="monthly"),
        ],
    }
    (draft,) = read("opsgenie", item)
    assert [each.name for each in draft.rota.layers] == ["hours"]
    assert draft.rota.zone == SYDNEY
    assert len(draft.notes) == 5
    assert draft.unread == ("The rotation odd couldn't be read: its type is 'monthly'.",)


USERS = {"results": [{"id": "UJO", "username": "jo", "email": "jo@example.com"}, {"id": "UBOB", "username": "bob"}]}


def shift(kind: str, **more: Any) -> dict[str, Any]:
    return {"id": "S1", "name": "shift", "type": kind, "start": "2026-11-02T09:00:00", "duration": 28800, **more}


def grafana(*shifts_: dict[str, Any], **more: Any) -> Draft:
    whole = {
        "id": "X",
        "name": "Web",
        "type": "web",
        "time_zone": SYDNEY,
        "shifts": [each["id"] for each in shifts_],
        **more,
    }
    (draft,) = read("grafana", {"results": [whole]}, {"results": list(shifts_)}, USERS)
    return draft


def test_a_rolling_shift_that_fills_its_turn_is_a_layer() -> None:
    draft = grafana(
        shift(
            "rolling_users",
            frequency="weekly",
            interval=2,
            duration=2 * WEEK,
            rolling_users=[["UJO"], ["UBOB", "UNEW"]],
            start_rotation_from_user_index=1,
            level=3,
        )
    )
    (made,) = draft.rota.layers
    assert (made.turns, made.turn_seconds, made.level) == ((("bob", "unew"), ("jo",)), 2 * WEEK, 3)
    assert who(draft.rota, 2026, 11, 2, 0) == ("bob", "unew")
    assert who(draft.rota, 2026, 11, 16, 0) == ("jo",)


def test_a_rolling_shift_with_days_turns_by_the_week_and_counts_in_its_hours() -> None:
    draft = grafana(
        shift(
            "rolling_users",
            frequency="weekly",
            by_day=["MO", "TU", "WE", "TH", "FR"],
            week_start="MO",
            rolling_users=[["UJO"], ["UBOB"]],
        )
    )
    assert who(draft.rota, 2026, 11, 2, 1) == ("jo",)
    assert who(draft.rota, 2026, 11, 2, 7) == (), "after 17:00"
    assert who(draft.rota, 2026, 11, 6, 1) == ("jo",)
    assert who(draft.rota, 2026, 11, 7, 1) == (), "a Saturday"
    assert who(draft.rota, 2026, 11, 9, 1) == ("bob",)


def test_the_first_week_of_a_rolling_shift_may_be_a_part_of_one() -> None:
    draft = grafana(
        shift(
            "rolling_users",
            start="2026-11-04T09:00:00",
            frequency="weekly",
            by_day=["MO", "WE", "FR"],
            week_start="MO",
            rolling_users=[["UJO"], ["UBOB"]],
        )
    )
    days = [(2, ()), (4, ("jo",)), (6, ("jo",)), (9, ("bob",)), (11, ("bob",)), (16, ("jo",))]
    assert [(day, who(draft.rota, 2026, 11, day, 1)) for day, _ in days] == days


def test_a_rolling_shift_that_begins_on_none_of_its_days_begins_on_the_next() -> None:
    draft = grafana(shift("rolling_users", frequency="weekly", by_day=["WE"], rolling_users=[["UJO"], ["UBOB"]]))
    assert who(draft.rota, 2026, 11, 4, 1) == ("jo",)
    assert who(draft.rota, 2026, 11, 11, 1) == ("bob",)


def test_shifts_by_days_and_months_are_unfolded() -> None:
    daily = grafana(
        shift("rolling_users", frequency="daily", by_day=["MO", "WE", "FR"], rolling_users=[["UJO"], ["UBOB"]])
    )
    assert [who(daily.rota, 2026, 12, day, 1) for day in (2, 4, 7, 9)] == [("bob",), ("jo",), ("bob",), ("jo",)]
    assert daily.rota.known_until is not None
    monthly = grafana(
        shift("rolling_users", frequency="monthly", by_monthday=[1, -1], rolling_users=[["UJO"], ["UBOB"]])
    )
    assert [who(monthly.rota, 2026, 12, day, 1) for day in (1, 2, 31)] == [("bob",), (), ("bob",)]
    recurrent = grafana(
        shift("recurrent_event", frequency="weekly", interval=2, users=["UJO", "UBOB"], week_start="MO")
    )
    assert [who(recurrent.rota, 2026, 12, day, 1) for day in (7, 14, 28)] == [(), ("jo", "bob"), ("jo", "bob")]


def test_oncalls_overrides_win_and_single_events_are_entries() -> None:
    draft = grafana(
        shift("single_event", users=["UJO"], start="2026-12-01T09:00:00"),
        {**shift("override", users=["UBOB"], start="2026-12-01T10:00:00", duration=3600), "id": "S2"},
    )
    assert who(draft.rota, 2026, 11, 30, 22) == ("jo",)
    assert who(draft.rota, 2026, 11, 30, 23) == ("bob",)


def test_what_of_oncall_cant_be_read_is_named() -> None:
    draft = grafana(
        shift("single_event", users=[]),
        shift("rolling_users", rolling_users=[["UJO"]]) | {"id": "S2"},
        ical_url_primary="https://example.com/x.ics",
    )
    assert draft.unread == (
        "ical_url_primary is a calendar elsewhere: download it, and import it as a calendar.",
        "The shift shift couldn't be read: it names nobody.",
        "The shift shift couldn't be read: it has no frequency.",
    )
    (draft,) = read("grafana", {"id": "X", "name": "Web", "type": "calendar", "shifts": ["GONE"]})
    assert draft.unread == ("The shift GONE isn't in the export: add on_call_shifts to it.",)
    assert draft.rota.zone == "UTC"


@pytest.mark.parametrize("source", [each for each in SOURCES if each != "calendar"])
@pytest.mark.parametrize("content", [b"", b"[]", b"nonsense", b"[" * 5000, b"\xff", b'{"data": 1}'])
def test_what_is_no_export_is_said_so(source: str, content: bytes) -> None:
    with pytest.raises(WrongFile):
        read_files(source, [SourceFile("x.json", content)], SYDNEY, Finder({}), NOW)


KEYS = ["name", "type", "rotations", "participants", "startDate", "shifts", "users", "events", "user", "start", "id"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["weekly", "user", "2026-11-30"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=15,
)
WHOLE = {
    "pagerduty": schedule(layer("base", JO, BOB, restrictions=[{"type": "daily_restriction"}]), final_schedule={}),
    "opsgenie": {"name": "x", "rotations": [rotation("one", ("user", "jo"), timeRestriction={"type": "x"})]},
    "grafana": {
        "name": "x",
        "type": "web",
        "shifts": [shift("rolling_users", frequency="daily", rolling_users=[["a"]])],
    },
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for name, item in items for found in ((*path, name), *places(item, (*path, name)))]


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(list(WHOLE)), JSON)
def test_nothing_in_an_export_makes_it_crash(data: st.DataObject, source: str, noise: Any) -> None:
    whole = json.loads(json.dumps(WHOLE[source]))
    path = data.draw(st.sampled_from(places(whole)))
    inner = whole
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = noise
    try:
        drafts = read(source, whole)
    except WrongFile:
        return
    for draft in drafts:
        shifts(draft.rota, NOW, NOW + timedelta(days=7))


def test_a_rota_that_omc_toml_can_say_is_shown_as_its_tables() -> None:
    (draft,) = read("pagerduty", schedule(layer("base", JO, BOB, start=None), layer("top", JO, start=None)))
    text = toml_of(draft.rota)
    assert text is not None
    table = tomllib.loads(text)["rotas"]["primary-on-call"]
    again = rota_from("primary-on-call", read_as(RotaTable, table, Source(Path("x"), text)), SYDNEY)
    assert changes(again, draft.rota, NOW, NOW + timedelta(days=100)) == ()


def test_an_import_is_shown_with_all_that_somebody_has_to_know() -> None:
    (draft,) = read("opsgenie", {"name": "Ops", "rotations": [rotation("one", ("user", "kim"), ("team", "x"))]})
    differences = changes(None, draft.rota, NOW, NOW + timedelta(days=28))
    shown = [(draft, differences, ["kim (as kim)"], toml_of(draft.rota))]
    document = import_document(shown, PERSONS, 4, "Nothing was recorded. To record it: --yes")
    text = terminal.render(document, width=160)
    for expected in (
        "Ops, as ops",
        "nobody",
        "kim",
        "Its turns are nobody's here",
        "[rotas.ops]",
        "Nothing was recorded",
    ):
        assert expected in text
    assert "Ops, as ops" in markdown.render(document)
    assert document.data["rotas"][0]["changes"][0]["after"] == ["kim"]
