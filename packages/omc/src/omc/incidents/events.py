"""What can happen to an incident: one frozen dataclass for each kind of event, and its name in the store.

Pure values. What they come to is the fold in ``model``; when which is written is decided in ``omc.responder``. A class
whose fields have changed since it was first written has defaults for the new ones: old events must still be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from omc.model.events import Event, EventTypes, Stream, UnknownEvent

AUTOMATIC = "omc responder"
"""Who writes what nobody asked for: an event of this actor is no sign that a person is at work."""


# ── Its beginning, its end, how bad it is ───────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Opened:
    """The first event of each incident."""

    severity: int
    summary: str
    """What users suffer, in a sentence."""


@dataclass(frozen=True, slots=True)
class SeverityChanged:
    """It turned out to be worse, or less bad."""

    severity: int


@dataclass(frozen=True, slots=True)
class Noted:
    """What somebody saw or did."""

    text: str


@dataclass(frozen=True, slots=True)
class Mitigated:
    """Users are served again; the cause may be there still."""

    how: str


@dataclass(frozen=True, slots=True)
class Unhealthy:
    """Its alerts have ended, but health could not be verified, so it stays open."""

    findings: tuple[str, ...]
    """What is wrong or unknown, a sentence each."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """Users are served again."""

    how: str
    """What ended it."""


@dataclass(frozen=True, slots=True)
class Reopened:
    """It is back, or was resolved too early."""

    why: str


# ── Its alerts ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class AlertJoined:
    """An alert fires that belongs to it. Also when the same one fires again."""

    key: str
    """The alert's identity: its stream of kind ``alert``."""
    name: str
    severity: int | None = None
    service: str | None = None
    summary: str | None = None
    """What is wrong, where this alert says it better than what it was opened with: it is worse, or explains that."""


@dataclass(frozen=True, slots=True)
class AlertEnded:
    """An alert of its no longer fires."""

    key: str


@dataclass(frozen=True, slots=True)
class AlertLeft:
    """An alert turned out not to belong to it."""

    key: str
    to: int | None = None
    """The incident that it belongs to now; None: to none."""


@dataclass(frozen=True, slots=True)
class AlertReworded:
    """An alert of its is told again, in other words."""

    key: str
    before: str
    title: str


# ── Who deals with it ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A person has taken it."""

    person: str
    """Her id in omc.toml; or the actor's name, where she isn't in it."""
    until: datetime | None = None
    """When that lapses if nothing follows; None: never."""


@dataclass(frozen=True, slots=True)
class AcknowledgementExpired:
    """Nothing followed on the acknowledgement: people are paged again."""


@dataclass(frozen=True, slots=True)
class RoleAssigned:
    """A person has a part in it from now on."""

    role: str
    """``lead``, ``communications`` or ``scribe``."""
    person: str


@dataclass(frozen=True, slots=True)
class Snoozed:
    """Nobody is paged until then."""

    until: datetime
    why: str
    if_still_firing: bool = False
    """At its end people are paged only where an alert still fires."""


@dataclass(frozen=True, slots=True)
class SnoozeEnded:
    why: str
    is_quiet: bool = False
    """Nothing fires any more, so nobody is paged."""


# ── Who was paged ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Paged:
    """A page was put into the outbox, in the transaction of this event."""

    person: str
    step: int | None
    """Which rung of the chain, from 0; None: somebody asked for it. Several may be on call together on one."""
    round: int
    """Counts up; whoever is on a step is paged once in each."""
    key: str
    """``Page.key``."""
    why: str
    """``primary on-call``."""


@dataclass(frozen=True, slots=True)
class PageFailed:
    """A page reached its person by none of her methods; the first time round, or at all."""

    person: str
    key: str
    """``Page.key``."""
    why: str


@dataclass(frozen=True, slots=True)
class StepSkipped:
    """Nobody could be paged on a rung, so the next one had its turn at once."""

    step: int
    round: int
    why: str


# ── Merging and splitting ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Merged:
    """It is the same trouble as another one, in which it goes on."""

    into: int


@dataclass(frozen=True, slots=True)
class Absorbed:
    """Another incident goes on in this one."""

    incident: int
    keys: tuple[str, ...] = ()
    """The alerts that came with it."""


@dataclass(frozen=True, slots=True)
class Unmerged:
    """A merging was undone; in the streams of both."""

    incident: int
    """The other one."""


# ── Its channel in Slack ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ChannelPosted:
    """A message to its own channel was put into the outbox, in the transaction of this event."""

    name: str
    """The channel's, without the number sign, as it was asked for."""
    key: str
    """``Page.key``."""
    severity: int
    """How bad it was then."""
    invited: tuple[str, ...] = ()
    """Ids of Slack's members who are called into the channel with this message."""


@dataclass(frozen=True, slots=True)
class ChannelMade:
    """Slack has the channel, and this is its id: what people write there belongs to the incident."""

    id: str


@dataclass(frozen=True, slots=True)
class Said:
    """What a person wrote in the channel: kept as it is, and no word of omc's."""

    text: str
    """Empty: the message was taken back."""
    message: str
    """Slack's id of the message; the same when it is changed or taken back."""
    kind: str = "posted"
    """``posted``, ``changed`` or ``deleted``."""
    thread: str = ""
    """The message that it answers."""


# ── What is lost later ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Captured:
    """How something was when the incident began, since it can't be read later."""

    what: str
    """``stopped tasks``."""
    items: tuple[str, ...]
    """A line each; empty: there was nothing."""
    unknown: str | None = None
    """Why it couldn't be read."""


# ── What customers are told ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ComponentState:
    """How a component is, as customers are told."""

    component: str
    """The service's name in omc.toml."""
    state: str
    """One of ``COMPONENT_STATES``."""


@dataclass(frozen=True, slots=True)
class UpdateSent:
    """Customers were told. With a phase it is in the status feed; without, they were told in another way."""

    text: str
    phase: str = ""
    """One of ``PHASES``."""
    title: str = ""
    """What customers know the trouble as; empty: as before."""
    components: tuple[ComponentState, ...] = ()
    """How components are from then on; those that it leaves out are as before."""


@dataclass(frozen=True, slots=True)
class UpdateReminded:
    """The person who has to tell customers was reminded."""

    due: datetime
    person: str
    key: str
    """``Page.key``."""


@dataclass(frozen=True, slots=True)
class UpdateSkipped:
    """Customers should have been told by then, and weren't."""

    due: datetime
    why: str = ""


# ── What is learnt ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class PostmortemChanged:
    """A section's text is now this one; before it was the draft's."""

    section: str
    text: str


@dataclass(frozen=True, slots=True)
class PostmortemMoved:
    """The post-mortem is in another state."""

    state: str
    """``draft``, ``review`` or ``done``."""


@dataclass(frozen=True, slots=True)
class ActionItem:
    """Something that will be done so that it doesn't come again; the same id once more: it was changed."""

    id: str
    text: str
    owner: str
    due: datetime
    link: str | None = None
    """Where else it is kept: an issue of GitHub's."""


@dataclass(frozen=True, slots=True)
class ActionItemReminded:
    """Its owner was reminded."""

    id: str
    key: str
    """``Page.key``."""


@dataclass(frozen=True, slots=True)
class ActionItemDone:
    id: str
    how: str = ""
    """How that is known, where nobody said so here: ``its issue was closed``."""
    is_dropped: bool = False
    """It won't be done."""


Payload: TypeAlias = (
    Opened
    | SeverityChanged
    | Noted
    | Mitigated
    | Unhealthy
    | Resolved
    | Reopened
    | AlertJoined
    | AlertEnded
    | AlertLeft
    | AlertReworded
    | Acknowledged
    | AcknowledgementExpired
    | RoleAssigned
    | Snoozed
    | SnoozeEnded
    | Paged
    | PageFailed
    | StepSkipped
    | Merged
    | Absorbed
    | Unmerged
    | ChannelPosted
    | ChannelMade
    | Said
    | Captured
    | UpdateSent
    | UpdateReminded
    | UpdateSkipped
    | PostmortemChanged
    | PostmortemMoved
    | ActionItem
    | ActionItemReminded
    | ActionItemDone
)
IncidentEvent: TypeAlias = Event[Payload | UnknownEvent]
TYPES = EventTypes(
    "incident",
    {
        "opened": Opened,
        "severity changed": SeverityChanged,
        "noted": Noted,
        "mitigated": Mitigated,
        "unhealthy": Unhealthy,
        "resolved": Resolved,
        "reopened": Reopened,
        "alert joined": AlertJoined,
        "alert ended": AlertEnded,
        "alert left": AlertLeft,
        "alert reworded": AlertReworded,
        "acknowledged": Acknowledged,
        "acknowledgement expired": AcknowledgementExpired,
        "role assigned": RoleAssigned,
        "snoozed": Snoozed,
        "snooze ended": SnoozeEnded,
        "paged": Paged,
        "page failed": PageFailed,
        "step skipped": StepSkipped,
        "merged": Merged,
        "absorbed": Absorbed,
        "unmerged": Unmerged,
        "channel posted": ChannelPosted,
        "channel made": ChannelMade,
        "said": Said,
        "captured": Captured,
        "update sent": UpdateSent,
        "update reminded": UpdateReminded,
        "update skipped": UpdateSkipped,
        "postmortem changed": PostmortemChanged,
        "postmortem moved": PostmortemMoved,
        "action item": ActionItem,
        "action item reminded": ActionItemReminded,
        "action item done": ActionItemDone,
    },
)


def stream_of(environment: str, number: int) -> Stream:
    """Where an incident's events are."""
    return Stream(TYPES.kind, environment, str(number))
