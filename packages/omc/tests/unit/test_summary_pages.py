"""How a summary of gathered pages reads."""

from __future__ import annotations

import pytest

from omc.model.pages import Message, Page
from omc.model.people import Channel, ContactMethod
from omc.model.typed_json import to_json
from omc.responder.gathering import _summary
from omc.store.outbox import OutboxRow

SMS = (ContactMethod(Channel.SMS, "+61400000000"),)


@pytest.mark.parametrize(("incidents", "what"), [((4, 4), "1 more incident"), ((4, 5), "2 more incidents")])
def test_two_pages_of_one_incident_are_one_incident(incidents: tuple[int, int], what: str) -> None:
    found: list[tuple[OutboxRow, Page]] = []
    for step, incident in enumerate(incidents):
        key = f"page:staging:{incident}:0.{step}:ann"
        page = Page(key, "staging", "ann", SMS, Message("Trouble"), incident=incident, severity=2)
        found.append((OutboxRow(key=key, page=to_json(page)), page))
    assert _summary("staging", "ann", found, []).message.short.startswith(f"{what} of staging, SEV-2 at worst: 4")
