"""Rotas and the chain in omc.toml: what they come to, and what is refused with its line."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from omc.config import Stack, load
from omc.errors import StackError
from omc.oncall.configured import clocks_from, rotas_from, slug_of, toml_of
from omc.oncall.model import DAY, Layer, WeeklyTime, WeeklyWindow

REPOSITORY = Path(__file__).parents[4]
TEXT = (REPOSITORY / "omc.toml").read_text()
PEOPLE = """
[people.jo]
name = "Jo Smith"
contacts = ["sms:+61400000000"]
[people.bob]
aws = ["bob"]
"""
ROTA = """
[rotas.primary]
editors = ["jo"]
remind = ["2d", "30m"]
summary = "fri 16:00"
channel = "#on-call"
tell = ["changes", "09:00"]
[[rotas.primary.layers]]
people = ["jo", "bob", "jo+bob", "nobody"]
turn = "monthly"
start = 2026-12-07
[[rotas.primary.layers]]
name = "days"
people = ["bob"]
turn = "12h"
start = 2026-12-07
hand_over = "08:30"
hours = ["mon-tue 09:00-17:00"]
level = 7
until = 2027-12-07T00:00:00+11:00
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(folder: Path, more: str = PEOPLE + ROTA, text: str = TEXT) -> Stack:
    file = folder / "omc.toml"
    file.write_text(text + more)
    return load(file)


def test_a_rota_is_read_with_its_defaults(folder: Path) -> None:
    rota = rotas_from(read(folder))["primary"]
    assert (rota.zone, rota.editors, rota.remind_minutes) == ("Australia/Sydney", ("jo",), (2880, 30))
    assert (rota.summary, rota.channel) == (WeeklyTime(4, time(16)), "#on-call")
    turns = (("jo",), ("bob",), ("jo", "bob"), ())
    assert rota.layers == (
        Layer("1", turns, date(2026, 12, 7), time(9), 0, 1, turn_months=1),
        Layer(
            "days",
            (("bob",),),
            date(2026, 12, 7),
            time(8, 30),
            DAY // 2,
            7,
            (WeeklyWindow(0, time(9), 28800), WeeklyWindow(1, time(9), 28800)),
            end=datetime(2027, 12, 6, 13, tzinfo=UTC),
        ),
    )


def test_a_rota_is_written_as_it_was_read(folder: Path) -> None:
    rota = rotas_from(read(folder))["primary"]
    text = toml_of(rota)
    assert text is not None
    again = rotas_from(read(folder, PEOPLE + text))["primary"]
    assert again == rota


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('editors = ["jo"]', 'editors = ["joe"]', 'rotas.primary.editors[1] names "joe", who isn\'t in [people]'),
        ('["jo", "bob", "jo+', '["joo", "bob", "jo+', 'rotas.primary.layers[1].people[1] names "joo"'),
        ('"jo+bob"', '"jo+nobody"', 'names "nobody", who isn\'t in [people]'),
        ('name = "days"', 'name = "1"', "rotas.primary.layers[2].name"),
        ('turn = "12h"', 'turn = "yearly"', "must be daily, weekly, monthly, or a number of hours, days or weeks"),
        ('channel = "#on-call"', 'channel = "on-call"', 'a channel such as "#on-call"'),
        ('tell = ["changes", "09:00"]', 'tell = ["9:00"]', 'changes, or "09:00"'),
        ('turn = "12h"', 'turn = "0h"', "must be daily, weekly"),
        ("start = 2026-12-07\nhand_over", "start = 9\nhand_over", "must be a date, 2026-12-07"),
        ('"mon-tue 09:00-17:00"', '"weekdays"', 'as in "mon-fri 09:00-17:00"'),
        ('summary = "fri 16:00"', 'summary = "friday"', 'a time of the week such as "mon 09:00"'),
        ('editors = ["jo"]', 'time_zone = "Mars"', "must be a time zone such as Australia/Sydney"),
        ("level = 7", "level = 100", "must be a whole number from 0 to 99"),
        ("[people.jo]", "[people.nobody]", "nobody"),
    ],
)
def test_a_mistake_in_a_rota_names_its_line(folder: Path, old: str, new: str, expected: str) -> None:
    whole = PEOPLE + ROTA
    assert old in whole
    with pytest.raises(StackError) as raised:
        read(folder, whole.replace(old, new, 1))
    assert expected in raised.value.message
    assert "omc.toml, line " in raised.value.message


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            'rota = "primary"\nperson = "jo"',
            'on_call.chain[1].person is "jo" beside a rota; a rung has one of the two.',
        ),
        ('person = "joe"', 'names "joe", who isn\'t in [people]; there are jo, bob. Did you mean "jo"?'),
    ],
)
def test_a_rung_is_a_rota_or_a_person(folder: Path, line: str, expected: str) -> None:
    text = TEXT.replace('role = "Primary On-Call"', f'role = "Primary On-Call"\n{line}')
    with pytest.raises(StackError) as raised:
        read(folder, text=text)
    assert expected in raised.value.message


def test_todays_file_stays_valid_and_its_rungs_reach_nobody(folder: Path) -> None:
    policy = clocks_from(read(folder, ""))
    assert [(each.rota, each.person) for each in policy.chain] == [(None, None)] * 4
    assert policy.again == timedelta(minutes=60)
    assert read(folder, "").on_call.public_holidays == "AU-NSW"


def test_a_rung_is_found_by_a_persons_name_or_its_own_contacts(folder: Path) -> None:
    text = TEXT.replace('name = "Tech Lead"', 'name = "jo SMITH"')
    text = text.replace(
        'name = "Engineering Manager"', 'name = "Max Power"\nphone = "+61 400 000 009"\nemail = "m@x.com"'
    )
    text = text.replace('role = "Primary On-Call"', 'role = "Primary On-Call"\nrota = "primary"')
    policy = clocks_from(read(folder, text=text))
    assert policy.chain[0].rota == "primary"
    assert policy.chain[2].person is not None
    assert policy.chain[2].person.id == "jo"
    manager = policy.chain[3].person
    assert manager is not None
    assert (manager.id, [str(each) for each in manager.contacts]) == (
        "max-power",
        ["sms:+61400000009", "email:m@x.com"],
    )


def test_a_person_who_is_only_on_call_needs_no_name_at_aws_or_github(folder: Path) -> None:
    assert read(folder).persons["jo"].name == "Jo Smith"
    with pytest.raises(StackError, match=r"people\.eve is empty"):
        read(folder, "[people.eve]\n")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Jo Smith", "jo-smith"),
        ("42nd Street", "x-42nd-street"),
        ("Zoë", "zoe"),
        ("ops@example.com", "ops-example-com"),
    ],
)
def test_any_name_makes_an_id(name: str, expected: str) -> None:
    assert slug_of(name) == expected


@pytest.mark.parametrize("name", ["", "…", "-", "日本"])
def test_a_name_without_letters_of_ours_makes_an_id_too(name: str) -> None:
    assert slug_of(name)[:1] == "x"
