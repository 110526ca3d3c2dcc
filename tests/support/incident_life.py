"""An incident that lives in memory: its events, a clock, and a responder that looks when the last look said so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from omc.incidents.events import AUTOMATIC, Opened, Paged, PageFailed, Payload
from omc.incidents.incident import Incident
from omc.incidents.model import apply, from_first_event
from omc.judgement.escalation import Rung
from omc.model.events import Event
from omc.model.pages import Page
from omc.model.people import Channel, ContactMethod, Person
from omc.responder.escalation import Decision, due
from omc.responder.policy import Policy

START = datetime(2026, 11, 23, 1, tzinfo=UTC)  # a Monday, noon in Sydney
PEOPLE = {
    name: Person(name, name.title(), (ContactMethod(Channel.SMS, f"+6140000000{number}"),))
    for number, name in enumerate(("ann", "bob", "cy", "dee", "eve"))
}
CHAIN = tuple(
    Rung(step, role, timedelta(minutes=after))
    for step, (role, after) in enumerate((("primary", 0), ("secondary", 15), ("lead", 30), ("manager", 45)))
)
POLICY = Policy(CHAIN, persons=PEOPLE, channel=ContactMethod(Channel.SLACK, "#incidents"))


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


@dataclass
class Life:
    """``on_call``: who is on each rung, or why nobody is."""

    policy: Policy = POLICY
    on_call: list[str | Person | Sequence[Person]] = field(
        default_factory=lambda: [PEOPLE[name] for name in ("ann", "bob", "cy", "dee")]
    )
    now: datetime = START
    pages: list[tuple[datetime, Page]] = field(default_factory=list)
    health: Sequence[str] | None = ()
    next_look: datetime | None = None
    incident: Incident = field(init=False)

    def open(self, severity: int = 2) -> Life:
        self.incident = from_first_event("staging", 3, Event(self.now, "ann", Opened(severity, "Users can't log in")))
        self.look()
        return self

    def happens(self, *payloads: Payload, by: str = "ann") -> Life:
        for payload in payloads:
            self.incident = apply(self.incident, Event(self.now, by, payload))
        self.look()
        return self

    def decide(self) -> Decision:
        decision = due(self.incident, self.policy, self.resolve, self.now)
        if decision.wants_health and self.health is not None:
            decision = due(self.incident, self.policy, self.resolve, self.now, health=self.health)
        return decision

    def fails(self) -> Life:
        """The page that was asked for last reaches nobody."""
        page = self.pages[-1][1]
        return self.happens(PageFailed(page.recipient, page.key, f"nothing reaches {page.recipient}."))

    def look(self) -> None:
        """Each event of a decision must be allowed to follow; and a second look at the same time decides nothing."""
        decision = self.decide()
        assert decision == self.decide(), "the same incident at the same time"
        for payload in decision.events:
            self.incident = apply(self.incident, Event(self.now, AUTOMATIC, payload))
        self.pages += [(self.now, page) for page in decision.pages]
        asked = [payload.key for payload in decision.events if isinstance(payload, Paged)]
        sent = [page.key for page in decision.pages if page.key.startswith("page:")]
        assert asked == sent, "a page for each event, an event for each page"
        again = self.decide()
        assert (again.events, again.pages) == ((), ()), "once decided, it is decided"
        assert decision.next_look is None or decision.next_look > self.now
        self.next_look = again.next_look

    def until(self, at: datetime) -> Life:
        """Time goes by; each look is made when it is due."""
        while self.next_look is not None and self.next_look <= at:
            self.now = self.next_look
            self.look()
        self.now = at
        return self

    def after(self, count: float) -> Life:
        return self.until(self.now + minutes(count))

    def resolve(self, rung: Rung, _: datetime) -> Person | Sequence[Person] | str:
        return self.on_call[rung.step]

    def paged(self) -> list[tuple[float, str]]:
        """Minutes since the start, and who was paged."""
        return [((at - START) / minutes(1), page.recipient) for at, page in self.pages if page.key.startswith("page:")]

    def notices(self) -> list[tuple[float, str]]:
        return [
            ((at - START) / minutes(1), page.recipient) for at, page in self.pages if page.key.startswith("notice:")
        ]

    def happened(self, kind: type[Payload]) -> list[Payload]:
        return [each.payload for each in self.incident.events if isinstance(each.payload, kind)]


def roster(*names: str) -> list[str | Person | Sequence[Person]]:
    """A name of ``PEOPLE``; any other word is why nobody is there."""
    known: Mapping[str, str | Person] = PEOPLE
    return [known.get(name, name) for name in names]
