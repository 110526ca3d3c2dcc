"""From an alert to a person and back: the alert opens its incident, the incident's life pages, and the end ends it."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import select

from omc.judgement.escalation import Rung
from omc.model.matchers import parse_all
from omc.model.people import Person
from omc.model.silences import Created
from omc.responder import life
from omc.responder.life import OnCallContext
from omc.responder.records import create_silence, look_at_due, take
from omc.store.incidents import incident_of, incidents_of
from omc.store.location import StoreLocation
from omc.store.opened import Store
from omc.store.outbox import OutboxRow
from support.alerts_world import minute, notification, rules
from support.engine_world import opened_at
from support.incident_life import PEOPLE, POLICY

RULES = rules()
ON_CALL = ("ann", "bob", "cy", "dee")


def on_call(rung: Rung, _: datetime) -> Person:
    return PEOPLE[ON_CALL[rung.step]]


CONTEXT = OnCallContext(POLICY, on_call, lambda: ())


def responder(store: Store) -> None:
    """All that is due now."""
    while look_at_due(store, RULES) or life.look(store, ["staging"], lambda _: CONTEXT):
        pass


def pages(store: Store) -> list[str]:
    with store.reading() as session:
        rows = session.scalars(select(OutboxRow).order_by(OutboxRow.created_at, OutboxRow.key))
        return [f"{row.recipient} for incident {row.incident}" for row in rows if row.key.startswith("page:")]


@pytest.mark.parametrize("group", [("rds-no-data", "alb-5xx-percent", "backend-unhealthy", "frontend-unhealthy")])
def test_an_outage_of_many_alerts_is_one_incident_and_one_page_and_ends_by_itself(
    place: StoreLocation, group: tuple[str, ...]
) -> None:
    now = [minute(0)]
    with opened_at(place, lambda: now[0]) as store:
        for number, name in enumerate(reversed(group)):
            now[0] = minute(number)
            take(store, RULES, [notification(name, number)])
            responder(store)
        assert [each.is_open for each in incidents_of(store, "staging")] == [False, True]
        assert pages(store) == ["ann for incident 1", "ann for incident 2"], "the second was merged when its cause came"
        now[0] = minute(10)
        take(store, RULES, [notification(name, 10, "ended") for name in group])
        responder(store)
        assert incident_of(store, "staging", 1).is_open
        now[0] = minute(25)
        responder(store)
        ended = incident_of(store, "staging", 1)
        assert (ended.is_open, ended.firing) == (False, ())

        now[0] = minute(40)
        take(store, RULES, [notification("rds-no-data", 40)])
        responder(store)
        assert incident_of(store, "staging", 1).is_open, "it fires again, so it is open again"
        assert pages(store)[-1] == "ann for incident 1"


def test_a_sev_1_pages_the_whole_chain_and_what_a_silence_held_pages_at_its_end(place: StoreLocation) -> None:
    now = [minute(0)]
    with opened_at(place, lambda: now[0]) as store:
        create_silence(store, RULES, Created(parse_all(["name=disk"]), "is replaced", "jo", minute(30)), "jo")
        take(store, RULES, [notification("disk")])
        responder(store)
        assert pages(store) == []
        now[0] = minute(30)
        responder(store)
        assert pages(store) == ["ann for incident 1"]
        take(store, RULES, [notification("backend-no-healthy", 30)])
        responder(store)
        assert sorted(pages(store)[1:]) == [f"{name} for incident 2" for name in sorted(ON_CALL)]
