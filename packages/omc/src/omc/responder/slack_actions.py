"""What people do about incidents in Slack: buttons of a page, ``/omc``, and what they write in an incident's channel.

Whoever presses is known by the member's id that stands among her contacts; anybody else may look and nothing more.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from omc.config import Stack
from omc.errors import OmcError
from omc.incidents.events import Mitigated, Noted, Said
from omc.incidents.incident import Incident
from omc.notify.interactions import Button, ChannelMessage, Command, Interaction
from omc.notify.slack_names import member, plain_text
from omc.notify.text import cut
from omc.output.text import line
from omc.responder import life
from omc.responder.life import Doer, OnCallContext
from omc.store import inbox
from omc.store.incidents import channel_key, decide, incident_with_key, incidents_of, recorded, required
from omc.store.opened import Store, Transaction

SNOOZED = timedelta(minutes=30)
"""How long a button snoozes where it doesn't say."""
MAX_SNOOZE = timedelta(days=1)
MAX_LISTED = 10
MAX_SAID, MAX_SAID_TEXT = 500, 1_000
"""Of what is written in an incident's channel: messages that are kept, and characters of each."""
HELP = (
    "/omc: the incidents that are open. /omc ack NUMBER, mitigate NUMBER HOW, note NUMBER TEXT, resolve NUMBER HOW, "
    "snooze NUMBER MINUTES. Where there are several environments, name one before the number: /omc ack production 3."
)
_COMMAND = re.compile(
    r"(?P<verb>ack|mitigate|note|resolve|snooze)\s+(?:(?P<environment>[a-z][a-z0-9-]{0,31})\s+)?(?P<number>[0-9]{1,9})"
    r"(?:\s+(?P<rest>.*))?",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class SlackActions:
    """Performs what people ask for in Slack; each answer is shown to that person alone."""

    stack: Stack
    environments: tuple[str, ...]
    store: Store
    context_of: Callable[[str], OnCallContext]
    wake: Callable[[], None]

    def handle(self, interaction: Interaction) -> str | None:
        """Do it, committed when this returns; what the person is told."""
        if isinstance(interaction, ChannelMessage):
            self._said(interaction)
            return None
        try:
            if isinstance(interaction, Button):
                return self._button(interaction)
            return self._command(interaction)
        except OmcError as error:
            return line(error.message)

    def _said(self, message: ChannelMessage) -> None:
        """What is written in an incident's own channel joins its timeline, as data and once; any other is nobody's."""
        with self.store.reading() as session:
            found = incident_with_key(session, channel_key(message.channel))
        if found is None or found[0] not in self.environments:
            return
        environment, number = found
        person = member(self.stack.persons, message.user)
        text = cut(plain_text(message.text, self.stack.persons), MAX_SAID_TEXT)

        def attempt(transaction: Transaction) -> None:
            if not inbox.take(transaction, "slack", message.id):
                return
            incident = required(transaction.session, environment, number)
            kept = incident.channel.messages if incident.channel else 0
            if kept < MAX_SAID and (text.strip() or message.kind == "deleted"):
                last = f" (The last message that is kept here; {MAX_SAID} are.)" if kept == MAX_SAID - 1 else ""
                recorded(transaction, incident, Said(f"{text}{last}", message.message, message.kind, message.thread))

        decide(self.store, environment, person.name if person else f"Slack member {line(message.user)}", attempt)

    def _button(self, button: Button) -> str:
        doer = self._doer(button.user)
        if doer is None:
            return self._stranger(button.user)
        minutes = timedelta(minutes=button.minutes) if button.minutes else SNOOZED
        return self._do(button.action, button.environment, button.incident, doer, "", min(minutes, MAX_SNOOZE))

    def _command(self, command: Command) -> str:
        text = command.text.strip()
        if text in ("", "list", "incidents"):
            return self._open_incidents()
        found = _COMMAND.fullmatch(text)
        if found is None:
            return HELP
        doer = self._doer(command.user)
        if doer is None:
            return self._stranger(command.user)
        environment = found["environment"] or (self.environments[0] if len(self.environments) == 1 else "")
        if environment not in self.environments:
            return f"Say which environment: {', '.join(self.environments)}. {HELP}"
        rest = (found["rest"] or "").strip()
        minutes = SNOOZED
        if found["verb"] == "snooze" and rest:
            if not re.fullmatch(r"[0-9]{1,4}", rest):
                return f"{line(rest)} is no number of minutes."
            minutes = min(timedelta(minutes=int(rest)), MAX_SNOOZE)
        verb = {"ack": "acknowledge"}.get(found["verb"], found["verb"])
        return self._do(verb, environment, int(found["number"]), doer, rest, minutes)

    def _do(self, verb: str, environment: str, number: int, doer: Doer, text: str, length: timedelta) -> str:
        if environment not in self.environments:
            return f"This responder isn't {environment}'s."
        context = self.context_of(environment)
        policy, store = context.policy, self.store
        title = f"Incident {number} of {environment}"
        match verb:
            case "acknowledge":
                life.acknowledge(store, environment, number, doer, policy)
                done = f"{title} is yours."
            case "snooze":
                life.snooze(store, environment, number, doer, store.now() + length, "in Slack")
                done = f"{title} is snoozed for {int(length.total_seconds() // 60)} min."
            case "mitigate":
                life.act(store, environment, number, doer, Mitigated(text or "in Slack"))
                done = f"{title} is mitigated."
            case "note" if text:
                life.act(store, environment, number, doer, Noted(text))
                done = f"Noted in incident {number} of {environment}."
            case "resolve":
                life.resolve_by_hand(store, environment, number, doer, text or "in Slack", policy, context.health)
                done = f"{title} is resolved."
            case _:
                return HELP
        self.wake()
        return done

    def _open_incidents(self) -> str:
        lines = [
            f"{environment} {_in_a_line(each)}"
            for environment in self.environments
            for each in incidents_of(self.store, environment)
            if each.is_open
        ]
        more = [f"and {len(lines) - MAX_LISTED} more"] if len(lines) > MAX_LISTED else []
        return "\n".join([*lines[:MAX_LISTED], *more]) or "No incident is open."

    def _doer(self, user: str) -> Doer | None:
        person = member(self.stack.persons, user)
        return Doer(person.name, None, person.id) if person else None

    def _stranger(self, user: str) -> str:
        return (
            f"omc doesn't know who you are. Have slack:{line(user)} put among your contacts in [people] of "
            f"{self.stack.file.name}."
        )


def _in_a_line(incident: Incident) -> str:
    return f"{incident.number}: SEV-{incident.severity}, {line(incident.summary)}"
