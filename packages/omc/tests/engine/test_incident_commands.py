"""``omc incident`` as people type it: each command once as it is meant, and what it refuses in one sentence."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from omc.incidents.events import AlertEnded, AlertJoined
from omc.store.incidents import added, decide, incident_of, opened, required
from omc.store.outbox import of_incident
from support.engine_world import World, opened_at

PEOPLE = """
[people.alice]
name = "Alice Ngo"
github = ["alice"]
contacts = ["sms:+61400000001"]

[people.bob]
github = ["bob"]
contacts = ["email:bob@example.com"]

[people.cy]
github = ["cy-gh"]
"""


class Incidents:
    """``omc incident`` in production, and what it left in the record."""

    def __init__(self, world: World) -> None:
        self.world = world
        with world.stack.file.open("a") as file:
            file.write(PEOPLE)

    def __call__(self, verb: str, *words: str, who: str = "alice") -> Any:
        return self.world.omc("incident", verb, *words, "--env", "production", who=who)

    def state(self, number: int = 1) -> dict[str, Any]:
        found: dict[str, Any] = self("show", str(number), "--output", "json").json
        return found

    def pages(self, number: int = 1) -> list[str]:
        with opened_at(self.world.place) as store, store.reading() as session:
            return [row.recipient for row in of_incident(session, "production", number)]

    def with_alert(self, *keys: str) -> None:
        alerts = [AlertJoined(key, f"alarm {key}", 2, "backend") for key in keys]
        with opened_at(self.world.place) as store:
            decide(store, "production", "omc responder", lambda t: opened(t, "production", 2, "5xx", alerts))

    def ends(self, key: str) -> None:
        with opened_at(self.world.place) as store:
            decide(store, "production", "x", lambda t: added(t, required(t.session, "production", 1), AlertEnded(key)))


@pytest.fixture
def omc(world: World) -> Incidents:
    return Incidents(world)


def test_taking_mitigating_and_resolving(omc: Incidents) -> None:
    omc("open", "--severity", "2", "Users can't log in")
    assert omc("ack", "1").stdout == (
        "Incident 1 of production is yours. That lapses after 1 h without a sign of work.\n"
    )
    assert omc.state()["acknowledged_by"] == "alice"
    assert omc("assign", "1", "communications", "bob").stdout == "bob is communications of incident 1 of production.\n"
    assert omc("mitigate", "1", "scaled out").stdout.startswith("Incident 1 of production is mitigated, after ")
    assert omc("resolve", "1", "rolled back").stdout.startswith("Incident 1 of production is resolved, after ")
    assert omc("reopen", "1", "it is back", who="bob").stdout == "Incident 1 of production is open again: SEV-2.\n"
    found = omc.state()
    assert (found["state"], found["mitigated_at"], found["roles"]) == ("open", None, {"communications": "bob"})
    assert [each["kind"] for each in found["events"]] == [
        *("opened", "acknowledged", "role assigned", "mitigated", "resolved", "reopened")
    ]
    taken = omc("open", "--severity", "1", "Again", "--ack")
    assert taken.returncode == 0
    assert omc.state(2)["acknowledged_by"] == "alice"
    assert omc.world.proof().returncode == 0


def test_what_is_refused_is_one_sentence_and_nothing_is_recorded(omc: Incidents) -> None:
    assert omc("ack", "1").returncode == 2
    omc("open", "--severity", "2", "Users can't log in")
    refusals: list[tuple[tuple[str, ...], int, str]] = [
        (("assign", "1", "communications", "bop"), 2, 'There is no "bop" in [people]'),
        (("page", "1", "cy"), 2, "cy has no way to be reached"),
        (("snooze", "1", "why"), 2, "Say until when"),
        (("snooze", "1", "why", "--for", "15d"), 2, "14 days at most"),
        (("snooze", "1", "why", "--until", "tomorrow"), 2, "is no time with its zone"),
        (("snooze", "1", "why", "--until", "2020-01-01T00:00+00:00"), 2, "a time to come"),
        (("unsnooze", "1"), 1, "isn't snoozed"),
        (("reopen", "1", "why"), 1, "is open"),
        (("merge", "1", "--into", "1"), 2, "into itself"),
        (("merge", "1", "--into", "7"), 2, "production has no incident 7"),
        (("unmerge", "1"), 1, "isn't merged"),
        (("detach", "1", "zz"), 1, "No alert zz"),
        (("action", "1", "Do it"), 2, "--owner PERSON"),
        (("action", "1", "--done", "1"), 2, "has no action item 1"),
        (("postmortem", "1", "--write", "blame", "x"), 2, "There is no section 'blame'"),
    ]
    for words, code, sentence in refusals:
        done = omc(*words)
        assert (done.returncode, sentence in done.stderr, done.stderr.count("\n")) == (code, True, 1), (
            words,
            done.stderr,
        )
    assert [each["kind"] for each in omc.state()["events"]] == ["opened"]


def test_an_incident_of_alerts_ends_when_they_are_quiet_and_all_is_well(omc: Incidents) -> None:
    omc.with_alert("a1")
    refused = omc("resolve", "1", "rolled back")
    assert (refused.returncode, "1 of its alerts fire: alarm a1" in refused.stderr) == (1, True)
    omc.ends("a1")
    assert "15 min are needed" in omc("resolve", "1", "rolled back").stderr
    done = omc("resolve", "1", "a false alarm", "--override", "the threshold is wrong")
    assert done.returncode == 0
    assert omc.state()["resolution"] == "a false alarm (without verification: the threshold is wrong)"


def test_snoozing(omc: Incidents) -> None:
    omc("open", "--severity", "3", "Prices are late")
    assert "Nobody is paged for incident 1 of production until" in omc("snooze", "1", "a batch", "--for", "2h").stdout
    until = datetime.fromisoformat(omc.state()["snoozed_until"])
    opened_at_ = datetime.fromisoformat(omc.state()["opened_at"])
    assert timedelta(hours=2) <= until - opened_at_ < timedelta(hours=2, minutes=5)
    assert omc("unsnooze", "1").returncode == 0
    assert omc("snooze", "1", "it can wait", "--until-business-hours", "--if-still-firing").returncode == 0
    assert omc.state()["state"] == "snoozed"


def test_paging_people_and_escalating(omc: Incidents) -> None:
    omc("open", "--severity", "2", "Users can't log in")
    assert omc("page", "1", "alice", "bob", "--why", "you know the cache").stdout == (
        "Paged for incident 1 of production: Alice Ngo, bob.\n"
    )
    assert omc.pages() == ["alice", "bob"]
    refused = omc("escalate", "1")
    assert (refused.returncode, "Nobody is left to escalate incident 1 to" in refused.stderr) == (1, True), (
        "no contacts"
    )
    with opened_at(omc.world.place) as store:
        events = incident_of(store, "production", 1).events
    assert len(events) == 3


def test_merging_splitting_and_detaching(omc: Incidents) -> None:
    omc.with_alert("a1", "a2", "a3")
    omc("open", "--severity", "1", "Users can't log in")
    assert omc("merge", "2", "--into", "1").stdout == "Incident 2 of production goes on in incident 1.\n"
    assert (omc.state(1)["severity"], omc.state(2)["merged_into"]) == (1, 1)
    assert omc("unmerge", "2").stdout == "Incident 2 of production goes on by itself again.\n"
    assert omc("split", "1", "The cache is away", "--alert", "a2").stdout.startswith("Incident 3 of production is open")
    assert omc("detach", "1", "a3").returncode == 0
    assert [each["key"] for each in omc.state(1)["alerts"]] == ["a1"]
    assert [each["key"] for each in omc.state(3)["alerts"]] == ["a2"]


def test_what_customers_are_told_is_what_they_see(omc: Incidents) -> None:
    omc("open", "--severity", "1", "the pool of the database is empty", "--ack")
    for words, sentence in (
        (("update", "1"), "which --phase"),
        (("update", "1", "x", "--elsewhere", "--phase", "resolved"), "With --elsewhere"),
        (("update", "1", "x", "--component", "backend"), "backend=major_outage"),
        (("update", "1", "x", "--component", "backand=operational"), 'Did you mean "backend"?'),
    ):
        refused = omc(*words)
        assert (refused.returncode, sentence in refused.stderr) == (2, True), refused.stderr
    told = omc("update", "1", "--phase", "investigating", "--component", "backend=major_outage")
    assert told.returncode == 0, told.stderr
    assert 'customers were told (investigating; backend major outage): "We are looking into a problem' in told.stdout
    assert "Nobody reads it yet" in told.stdout
    omc("update", "1", "Told by telephone.", "--elsewhere")
    shown = omc.world.omc("status", "show", "--env", "production", "--output", "json", who="alice")
    assert (shown.returncode, shown.json["status"]["indicator"], shown.json["is_public"]) == (1, "critical", False)
    assert "pool" not in shown.stdout
    assert "telephone" not in shown.stdout
    text = omc.world.omc("status", "show", "--env", "production", who="alice").stdout
    assert "major outage" in text
    omc("update", "1", "--phase", "resolved")
    assert omc.world.omc("status", "show", "--env", "production", who="alice").returncode == 0
    nobody = omc.world.omc("status", "subscribers", "list", "--env", "production", who="alice")
    assert nobody.stdout == "Nobody has subscribed to the status of production.\n"
    gone = omc.world.omc("status", "subscribers", "remove", "jo@example.com", "--env", "production", who="alice")
    assert (gone.returncode, "has no subscriber of this address" in gone.stderr) == (2, True)
    assert "jo@example.com" not in gone.stderr


def test_customers_post_mortem_action_items_and_statistics(omc: Incidents) -> None:
    omc("open", "--severity", "1", "Users | can't log in", "--ack")
    assert omc("update", "1", "We are working on it.").returncode == 0
    omc("note", "1", "scaled out", who="bob")
    omc("resolve", "1", "rolled back")
    written = omc("postmortem", "1", "--write", "causes", "The pool was too small.", "--state", "review")
    assert written.returncode == 0, written.stderr
    assert "So what failed was not measured." in written.stderr
    assert omc("action", "1", "Raise the limit", "--owner", "Alice Ngo", "--due", "2026-12-20").stdout == (
        "Action item 1 of incident 1 is alice's.\n"
    )
    text = omc("postmortem", "1", "--output", "markdown").stdout
    for part in ("Users \\| can't log in", "The pool was too small.", "scaled out", "Raise the limit", "review"):
        assert part in text, text
    assert omc("action", "1", "--done", "1").stdout == "Action item 1 of incident 1 is done.\n"
    data = omc("postmortem", "1", "--output", "json").json
    assert (data["state"], data["written"]) == ("review", ["causes"])
    refused = omc("postmortem", "1", "--write", "lessons", "none", "--state", "done")
    assert (refused.returncode, "nobody has written runbook" in refused.stderr) == (1, True)
    assert omc("postmortem", "1", "--output", "json").json["written"] == ["causes"], "all of it or nothing"
    assert omc("action", "1", "--github").returncode == 2, "there is no token in this shell, or no repository"
    assert data["action_items"][0]["done_at"] is not None
    numbers = omc("stats", "--output", "json").json
    assert (numbers["incidents"], numbers["by_severity"], numbers["causes"]) == (1, {"1": 1}, {"opened by hand": 1})
    assert "until acknowledged" in omc("stats").stdout
