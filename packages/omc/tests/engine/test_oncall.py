"""On call in omc's record: overrides and imports as events, who may make them, contacts that are confirmed by a code;
and the commands, as people type them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from omc.config import load
from omc.config.oncall_tables import LayerTable, RotaTable
from omc.errors import Refused, WrongUse
from omc.model.people import Channel, ContactMethod, Person
from omc.oncall.events import Imported, OverrideAdded, Undone
from omc.oncall.model import WEEK, Layer, Rota, Shift
from omc.oncall.records import (
    add_to_rota,
    enter_code,
    rota_records,
    rotas_of,
    send_code,
    verified_contacts,
    withdraw,
)
from omc.oncall.schedule import on_call
from omc.responder.duty import Duty
from omc.store import audit
from omc.store.location import StoreLocation
from omc.store.opened import Store
from omc.store.outbox import OutboxRow
from support.engine_world import World, opened_at

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ROTA = Rota("primary", "Australia/Sydney", (Layer("1", (("jo",), ("bob",)), date(2026, 11, 2), time(9), WEEK),))
JO = Person("jo", "Jo", (ContactMethod(Channel.SMS, "+61400000000"), ContactMethod(Channel.EMAIL, "jo@example.com")))
METHOD = JO.contacts[0]
REPOSITORY = Path(__file__).resolve().parents[4]


def override(*people: str, begin: datetime = NOW) -> OverrideAdded:
    return OverrideAdded(begin, begin + HOUR, people, reason="dentist")


def test_an_override_and_its_undoing_are_events_in_the_record(place: StoreLocation) -> None:
    now = [NOW]
    with opened_at(place, lambda: now[0]) as store:
        added = add_to_rota(store, "primary", "ann", lambda _session, _record: override("kim"))
        assert [each.id for each in added.overrides] == ["1"]
        with store.reading() as session:
            tile = on_call(rotas_of(session, {"primary": ROTA})["primary"], NOW)
            assert isinstance(tile, Shift)
            assert tile.people == ("kim",)
        now[0] += HOUR
        add_to_rota(store, "primary", "bob", lambda _session, _record: Undone(1))
        with store.reading() as session:
            found = rotas_of(session, {"primary": ROTA})["primary"]
            assert found.overrides[0].undone_at == NOW + HOUR
            before = rotas_of(session, {"primary": ROTA}, at=NOW)["primary"]
            assert before.overrides[0].undone_at is None
            assert rotas_of(session, {"primary": ROTA}, at=NOW - HOUR)["primary"].overrides == ()
            assert audit.verify(session).problems == []


def test_what_is_refused_isnt_recorded(store: Store) -> None:
    with pytest.raises(WrongUse, match="has no event 7"):
        add_to_rota(store, "primary", "ann", lambda _session, _record: Undone(7))
    with store.reading() as session:
        assert rota_records(session) == {}


def test_an_imported_rota_stands_beside_those_of_the_file(store: Store) -> None:
    add_to_rota(store, "nights", "ann", lambda _session, _record: Imported(ROTA, "calendar x.ics"))
    add_to_rota(store, "primary", "ann", lambda _session, _record: Imported(Rota("primary", "UTC"), "calendar y.ics"))
    with store.reading() as session:
        found = rotas_of(session, {"primary": ROTA})
        assert (found["nights"].name, found["nights"].layers) == ("nights", ROTA.layers)
        assert found["primary"].zone == ROTA.zone, "omc.toml's is the one"


def test_a_change_of_the_file_tells_those_whose_shifts_it_moves_once(place: StoreLocation) -> None:
    """Through what a responder does each five minutes: the file as it was is in the record."""
    stack = replace(load(REPOSITORY / "omc.toml"), persons={each.id: each for each in (JO, replace(JO, id="bob"))})
    now = [NOW]

    def tell(store: Store, people: list[str], began: datetime | None = None) -> set[str]:
        """A process that read a file with these people, and looks twice."""
        layer = LayerTable(people=tuple(people), start=date(2026, 11, 2))
        of_file = replace(stack, rotas={"primary": RotaTable(layers=(layer,), remind=())})
        duty = Duty(of_file, store, began=began or now[0])
        for _ in range(3):
            now[0] += timedelta(minutes=6)
            duty.tell("staging")
        with store.reading() as session:
            return {key for key in session.scalars(select(OutboxRow.key)) if ":moved:" in key}

    with opened_at(place, lambda: now[0]) as store:
        older = now[0]
        assert tell(store, ["jo", "bob"]) == set(), "that it stands there is no news"
        moved = tell(store, ["bob", "jo"])
        assert {key.split(":")[3] for key in moved} == {"jo", "bob"}
        assert tell(store, ["jo", "bob"], began=older) == moved, "a process that read the older file takes nothing back"
        assert tell(store, ["bob", "jo"]) == moved


def test_ten_overrides_at_the_same_moment_are_all_kept(store: Store) -> None:
    def add(number: int) -> None:
        add_to_rota(store, "primary", "ann", lambda _session, _record: override(f"p{number}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(10)))
    with store.reading() as session:
        assert sorted(each.id for each in rota_records(session)["primary"].overrides) == sorted(map(str, range(1, 11)))


def code_in(store: Store) -> str:
    with store.reading() as session:
        row = session.query(OutboxRow).order_by(OutboxRow.created_at.desc(), OutboxRow.key.desc()).first()
    assert row is not None
    found = re.search(r"enter (\S+) within", row.page["message"]["short"])
    assert found is not None
    return found[1]


def test_a_contact_is_confirmed_by_the_code_that_was_sent_there(place: StoreLocation) -> None:
    now = [NOW]
    with opened_at(place, lambda: now[0]) as store:
        send_code(store, JO, METHOD, "staging", "ann")
        with store.reading() as session:
            row = session.query(OutboxRow).one()
            assert (row.recipient, row.page["methods"]) == ("jo", [{"channel": "sms", "address": "+61400000000"}])
            assert row.page["is_urgent"] is False
            assert verified_contacts(session) == {"jo": ()}
        with pytest.raises(Refused, match="isn't the code"):
            enter_code(store, "jo", str(METHOD), "AAAA-AAAA", "jo")
        enter_code(store, "jo", str(METHOD), code_in(store).lower(), "jo")
        with store.reading() as session:
            assert verified_contacts(session) == {"jo": ("sms:+61400000000",)}
            events = audit.verify(session)
            assert events.problems == []
        with pytest.raises(Refused, match="No code was sent"):
            enter_code(store, "jo", str(METHOD), code_in(store), "jo")
        withdraw(store, "jo", str(METHOD), "opted out", "ann")
        with store.reading() as session:
            assert verified_contacts(session) == {"jo": ()}
        with pytest.raises(WrongUse, match="isn't confirmed"):
            withdraw(store, "jo", str(METHOD), "opted out", "ann")
        send_code(store, JO, METHOD, "staging", "ann")
        now[0] += timedelta(minutes=16)
        with pytest.raises(Refused, match="has expired"):
            enter_code(store, "jo", str(METHOD), code_in(store), "jo")


PEOPLE = """
[people.alice]
github = ["alice"]
contacts = ["email:alice@example.com"]
[people.bob]
github = ["bob"]
contacts = ["sms:+61400000001"]
[people.carol]
github = ["carol"]
contacts = ["slack:U024BE7LH"]

[rotas.primary]
editors = ["carol"]
[[rotas.primary.layers]]
people = ["alice", "bob"]
start = 2026-01-05

[rotas.open]
[[rotas.open.layers]]
people = ["bob"]
start = 2026-01-05
hours = ["mon-fri 09:00-17:00"]
"""


@pytest.fixture
def team(world: World) -> World:
    text = world.stack.file.read_text()
    text = text.replace('role = "Primary On-Call"\n', 'role = "Primary On-Call"\nrota = "primary"\n')
    world.stack.file.write_text(text + PEOPLE)
    world.stack = load(world.stack.file)
    return world


def _next_turn_of_alice() -> date:
    """A Monday some weeks ahead of today: commands change what is to come."""
    weeks = (datetime.now(UTC).date() - STARTED).days // 7 + 6
    return STARTED + timedelta(weeks=weeks + weeks % 2)


STARTED = date(2026, 1, 5)
MONDAY = _next_turn_of_alice()


def on(days: int, clock: str = "12:00") -> str:
    """A local time so many days after that Monday."""
    return f"{MONDAY + timedelta(days=days)} {clock}"


Asked = Callable[..., tuple[int, str]]


@pytest.fixture
def oncall(team: World) -> Asked:
    def ask(*words: str, who: str = "alice") -> tuple[int, str]:
        done = team.omc("oncall", *words, "--env", "local", who=who)
        return done.returncode, f"{done.stdout}{done.stderr}"

    return ask


def people(answer: tuple[int, str], rota: str = "primary") -> list[str]:
    found: list[str] = json.loads(answer[1])["rotas"][rota]["people"]
    return found


def test_a_shift_is_covered_taken_and_given_back(oncall: Asked) -> None:
    monday = ("--at", on(1), "--output", "json")
    assert people(oncall("now", *monday)) == ["alice"]
    code, shown = oncall("cover", "primary", "bob", "--at", on(1), "--reason", "dentist")
    assert code == 0, shown
    assert f"In primary: bob instead of alice, {MONDAY:%a %d %b} 09:00:00 AE" in shown
    assert "To undo it: omc oncall undo primary 1" in shown
    assert people(oncall("now", *monday)) == ["bob"]
    code, shown = oncall("take", "primary", "--from", on(1, "11:00"), "--to", on(1, "13:00"), "--for", "bob")
    assert code == 0, shown
    assert people(oncall("now", *monday)) == ["alice"]
    code, shown = oncall("undo", "primary", "2", who="bob")
    assert code == 0, shown
    assert "Number 2 of primary is undone." in shown
    assert people(oncall("now", *monday)) == ["bob"]
    code, shown = oncall("schedule", "primary", "--from", on(0), "--days", "7", "--output", "json")
    data = json.loads(shown)
    assert [each["undone"] for each in data["events"]] == [False, True, False]
    assert data["events"][0]["reason"] == "dentist"
    assert "override 1" in oncall("schedule", "primary", "--from", on(0), "--days", "7")[1]


def test_who_is_no_editor_changes_only_shifts_of_her_own(oncall: Asked) -> None:
    times = ("--from", on(1, "09:00"), "--to", on(2, "09:00"))
    code, shown = oncall("override", "primary", "carol", *times)
    assert code == 1
    assert "may not change primary: its editors are carol." in shown
    code, shown = oncall("override", "primary", "carol", *times, who="carol")
    assert code == 0, shown
    code, shown = oncall("undo", "primary", "1")
    assert code == 1, "an editor's override is an editor's to undo"
    code, shown = oncall("take", "primary", "--for", "bob", "--by", "carol", "--at", on(8))
    assert code == 1, "neither of the two is her"
    code, shown = oncall("cover", "primary", "carol", "--at", on(15), who="mallory")
    assert code == 2, "she has no shift that could be covered"
    code, shown = oncall("cover", "primary", "bob", "--for", "alice", "--at", on(4), who="carol")
    assert code == 0, shown
    code, shown = oncall("take", "primary", "--at", on(8), who="alice")
    assert (code, "In primary: alice instead of bob" in shown) == (0, True), shown
    assert oncall("override", "open", "alice", *times)[0] == 0, "a rota without editors is everybody's"


WRONG = [
    (("now", "--at", "tomorrow"), 2, '"tomorrow" is no time'),
    (("schedule", "primry"), 2, 'There is no rota "primry"; there are primary, open. Did you mean "primary"?'),
    (("take", "primary", "--at", on(1)), 1, "alice is on call then already"),
    (("take", "open", "--at", on(-1)), 1, "Nobody is on call in open"),
    (("take", "primary", "--at", "now", "--from", "now"), 2, "Say either --at, or --from and --to."),
    (("take", "primary", "--from", "now"), 2, "--from and --to belong together."),
    (("cover", "primary", "bob", "--at", on(8)), 1, "alice isn't on call then. On call: bob."),
    (("cover", "primary", "dave"), 2, 'has no "dave"; there are alice, bob, carol.'),
    (("override", "open", "bob", "--from", "+2h", "--to", "+1h"), 2, "ends before it begins"),
    (
        ("override", "primary", "carol", "--instead-of", "bob", "--from", on(1), "--to", on(2)),
        1,
        "bob isn't on call in primary from ",
    ),
    (("undo", "open", "4"), 2, "open has no event 4"),
    (
        ("verify", "bob", "sms:+61"),
        2,
        "bob has no contact sms:+61 in people.bob.contacts; there are: sms:+61400000001",
    ),
    (("export",), 2, "Say either which rota, or whose shifts"),
]


def test_what_isnt_so_is_said_in_a_sentence(oncall: Asked) -> None:
    for words, code, expected in WRONG:
        found, shown = oncall(*words)
        assert expected in shown
        assert found == code, shown


def test_what_is_left_of_a_shift_under_way_is_taken(oncall: Asked) -> None:
    asked = datetime.now(UTC)
    code, shown = oncall("override", "open", "bob", "--from", "2026-01-06", "--to", "+2w")
    assert code == 0, shown
    code, shown = oncall("take", "open", "--at", "+1h")
    assert code == 0, shown
    events = json.loads(oncall("schedule", "open", "--output", "json")[1])["events"]
    assert asked <= datetime.fromisoformat(events[1]["begin"])
    assert events[1]["end"] == events[0]["end"]


def test_somebody_who_is_nobody_of_people_says_whom_she_speaks_for(oncall: Asked) -> None:
    code, shown = oncall("take", "open", "--at", on(1), who="mallory")
    assert code == 2
    assert "who isn't in [people]" in shown
    assert "--by" in shown
    assert oncall("take", "open", "--at", on(1), "--by", "carol", who="mallory")[0] == 0


def test_an_explanation_and_the_gaps_say_what_loses_pages(oncall: Asked) -> None:
    code, shown = oncall("explain", "--at", "2027-01-05 03:00")
    assert code == 0, shown
    assert "alice (email:alice@example.com)" in shown
    assert "Tech Lead is neither a rota nor a person" in shown
    code, shown = oncall("explain", "--at", "2026-12-25 03:00", "--severity", "3", "--output", "json")
    assert json.loads(shown)["starts_at"].startswith("2026-12-28T22:00:00"), "Tuesday, after the holidays"
    code, shown = oncall("gaps", "--output", "json")
    assert code == 1
    kinds = {each["kind"] for each in json.loads(shown)["problems"]}
    assert {"gap", "empty step", "unverified contact"} <= kinds


def test_a_code_goes_out_and_comes_back(oncall: Asked, team: World) -> None:
    code, shown = oncall("verify", "bob", "sms:+61400000001")
    assert code == 0, shown
    with opened_at(team.place) as store:
        arrived = code_in(store)
    assert arrived.replace("-", "") not in shown.replace("-", "")
    code, shown = oncall("verify", "bob", "sms:+61400000001", "--code", "AAAA-AAAA")
    assert (code, "isn't the code" in shown) == (1, True)
    code, shown = oncall("verify", "bob", "sms:+61400000001", "--code", arrived)
    assert (code, "sms:+61400000001 of bob is confirmed." in shown) == (0, True), shown
    assert "has never confirmed" not in oncall("now", "--at", on(8))[1]


def test_a_test_page_goes_to_all_contacts_of_a_person(oncall: Asked, team: World) -> None:
    code, shown = oncall("test", "carol")
    assert (code, "A test page to carol is on its way" in shown) == (0, True), shown
    with opened_at(team.place) as store, store.reading() as session:
        page = session.query(OutboxRow).one().page
    assert page["is_urgent"] is True
    assert page["methods"] == [{"channel": "slack", "address": "U024BE7LH"}]
    assert "asked for by github:alice. Nothing is wrong." in page["message"]["short"]


def test_a_rota_is_exported_imported_under_another_name_and_undone(oncall: Asked, tmp_path: Path) -> None:
    file = tmp_path / "primary.ics"
    assert oncall("export", "primary", "--file", str(file))[0] == 0
    code, shown = oncall("import", "calendar", str(file), "--rota", "copy")
    assert code == 0, shown
    assert "Nothing was recorded. To record it: --yes" in shown
    assert "nobody" in shown
    code, shown = oncall("import", "calendar", str(file), "--rota", "copy", "--yes")
    assert (code, "Recorded: copy (number 1)." in shown) == (0, True), shown
    at = ("--at", on(8), "--output", "json")
    assert people(oncall("now", *at), "copy") == people(oncall("now", *at)) == ["bob"]
    code, shown = oncall("import", "calendar", str(file), "--rota", "primary", "--yes")
    assert code == 1
    assert "primary stands in omc.toml, which is not changed from here." in shown
    assert oncall("undo", "copy", "1")[0] == 0
    assert "copy" not in oncall("now")[1]
    code, shown = oncall("export", "--person", "bob", "--days", "14")
    assert code == 0
    assert shown.startswith("BEGIN:VCALENDAR\n")
    assert "SUMMARY:On call: primary" in shown


def test_another_stack_file_is_compared_by_who_is_on_call(oncall: Asked, team: World, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    text = team.stack.file.read_text()
    other.write_text(text.replace('people = ["alice", "bob"]', 'people = ["bob", "alice"]'))
    code, shown = oncall("diff", str(other), "--output", "json")
    assert code == 0, shown
    changes = json.loads(shown)["changes"]
    assert len(changes["primary"]) == 9
    assert changes["open"] == []
    assert "Nobody's time on call changes." in oncall("diff", str(team.stack.file))[1]


def test_an_import_that_is_partly_unread_says_so_and_ends_with_1(oncall: Asked, tmp_path: Path) -> None:
    file = tmp_path / "ops.json"
    one = {"type": "weekly", "length": 1, "startDate": "2026-11-01T22:00:00Z", "name": "one"}
    item = {
        "name": "Ops",
        "timezone": "Australia/Sydney",
        "rotations": [{**one, "participants": [{"type": "user", "username": "Robert"}, {"type": "team", "id": "x"}]}],
    }
    file.write_text(json.dumps({"data": [item]}))
    code, shown = oncall("import", "opsgenie", str(file), "--person", "Robert=bob")
    assert code == 1
    assert "A participant is of type team: x. Its turns are nobody's here." in shown
    assert "[rotas.ops]" in shown
    code, shown = oncall("import", "pagerduty", str(file))
    assert (code, "There is no schedule of pagerduty in ops.json." in shown) == (2, True)
