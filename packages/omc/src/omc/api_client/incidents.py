"""Incidents of a server, as the values that the store gives: made of the same events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from omc.api_client.documents import ask, read
from omc.api_client.events import events_of
from omc.api_client.http import Server, segment
from omc.incidents.events import (
    TYPES,
    ActionItem,
    AlertLeft,
    Mitigated,
    Noted,
    Payload,
    Reopened,
    RoleAssigned,
    SeverityChanged,
    SnoozeEnded,
    UpdateSent,
)
from omc.incidents.incident import PHASES, Incident
from omc.incidents.model import replay
from omc.model.people import Person
from omc.output.document import Document

PAGE = 50


@dataclass(frozen=True, slots=True)
class ServerDesk:
    """An environment's incidents, through a server. Who does it is known to the server, by the token."""

    server: Server
    environment: str

    def incidents(self, *, everything: bool) -> tuple[Incident, ...]:
        """Newest first."""
        found: list[Incident] = []
        query: dict[str, Any] = {"state": "all" if everything else "open", "events": "true", "limit": PAGE}
        while True:
            page = self.server.get(self._path(), query)
            if not isinstance(page, dict) or not isinstance(page.get("incidents"), list):
                raise self.server.strange()
            found += [self._incident(each) for each in page["incidents"]]
            if not page.get("next"):
                return tuple(found)
            query["cursor"] = page["next"]

    def incident(self, number: int) -> Incident:
        return self._incident(self.server.get(self._path(number)))

    def open(self, severity: int, summary: str) -> Incident:
        return self._incident(self.server.post(self._path(), {"severity": severity, "summary": summary}))

    def act(self, number: int, payload: Payload) -> Incident:
        match payload:
            case Noted(text):
                return self._post(number, "notes", text=text)
            case SeverityChanged(severity):
                return self._post(number, "severity", severity=severity)
            case Mitigated(how):
                return self._post(number, "mitigate", how=how)
            case Reopened(why):
                return self._post(number, "reopen", why=why)
            case RoleAssigned(role, person):
                return self._post(number, "assign", role=role, person=person)
            case SnoozeEnded():
                return self._post(number, "unsnooze")
            case UpdateSent(text):
                return self._post(number, "updates", text=text)
            case AlertLeft(key):
                return self._post(number, "detach", alert=key)
        raise TypeError(f"No request says {type(payload).__name__}.")

    def acknowledge(self, number: int) -> Incident:
        return self._post(number, "acknowledge")

    def resolve(self, number: int, how: str, override: str | None) -> Incident:
        return self._post(number, "resolve", how=how, override=override)

    def snooze(
        self, number: int, why: str, length: timedelta | None, until: datetime | None, *, if_still_firing: bool
    ) -> Incident:
        """For so long, or until then; neither: until the next business hours."""
        minutes = None if length is None else int(length.total_seconds() // 60)
        end = None if until is None else until.isoformat()
        return self._post(number, "snooze", why=why, minutes=minutes, until=end, if_still_firing=if_still_firing)

    def page(self, number: int, people: Sequence[Person], why: str) -> Incident:
        return self._post(number, "page", people=[each.id for each in people], why=why)

    def escalate(self, number: int) -> Incident:
        return self._post(number, "escalate")

    def merge(self, number: int, into: int) -> Incident:
        return self._post(number, "merge", into=into)

    def unmerge(self, number: int) -> Incident:
        return self._post(number, "unmerge")

    def split(self, number: int, keys: Sequence[str], summary: str, severity: int | None) -> Incident:
        return self._post(number, "split", alerts=list(keys), summary=summary, severity=severity)

    def add_action_item(self, number: int, item: ActionItem) -> Incident:
        due = item.due.isoformat()
        return self._post(number, "action-items", text=item.text, owner=item.owner, due=due, link=item.link)

    def end_action_item(self, number: int, id_: str) -> Incident:
        return self._post(number, f"action-items/{segment(id_)}/done")

    def postmortem(self, number: int) -> Document:
        return read(self.server, f"{self._path(number)}/postmortem")

    def write_postmortem(self, number: int, sections: Mapping[str, str], state: str | None) -> Document:
        body = {"sections": dict(sections), "state": state}
        return ask(self.server, f"{self._path(number)}/postmortem", body, method="PATCH")

    def measure(self, number: int) -> Incident:
        """Have measured what failed while it lasted."""
        return self._post(number, "postmortem/measurement")

    def tell(self, number: int, text: str, phase: str, title: str, components: Mapping[str, str]) -> Incident:
        """Without a phase: the one of the update before; the first is ``investigating``."""
        chosen = phase or self._last_phase(number)
        return self._post(number, "updates", text=text, phase=chosen, title=title, components=dict(components))

    def _last_phase(self, number: int) -> str:
        updates = [each.payload for each in self.incident(number).events if isinstance(each.payload, UpdateSent)]
        return next((each.phase for each in reversed(updates) if each.phase), PHASES[0])

    def _post(self, number: int, verb: str, **body: Any) -> Incident:
        return self._incident(self.server.post(f"{self._path(number)}/{verb}", body))

    def _path(self, number: int | None = None) -> str:
        base = f"/v1/environments/{self.environment}/incidents"
        return base if number is None else f"{base}/{number}"

    def _incident(self, document: Any) -> Incident:
        try:
            events = events_of(TYPES, document["events"])
            return replay(self.environment, int(document["number"]), events)
        except (KeyError, TypeError, ValueError) as error:
            raise self.server.strange() from error
