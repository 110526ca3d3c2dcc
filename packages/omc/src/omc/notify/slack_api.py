"""Slack's Web API as far as omc uses it: one call, what its answer comes to, and the channels of incidents.

Nothing is tried again here: a message whose answer was lost may have been posted, and the sender knows what to do then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from omc.notify.http import Answer, failure, post
from omc.notify.model import Failure, Outcome, Refused, TryAgain
from omc.notify.slack_names import MAX_NAME
from omc.notify.text import cut
from omc.output.text import line

if TYPE_CHECKING:
    import httpx

LATER: Final = frozenset(
    {"accesslimited", "message_limit_exceeded", "rate_limited", "ratelimited", "request_timeout", "service_unavailable"}
)
"""Errors after which the same call may succeed; every other one is for good."""
HALF_DONE: Final = frozenset({"fatal_error", "internal_error"})
"""Slack says of them that something may have been done."""
FAILURE_OF: Final[Mapping[Failure, frozenset[str]]] = {
    Failure.RATE: frozenset({"message_limit_exceeded", "rate_limited", "ratelimited"}),
    Failure.SERVER: frozenset({"service_unavailable", "request_timeout"}),
    Failure.RIGHTS: frozenset(
        {
            *("access_denied", "accesslimited", "account_inactive", "ekm_access_denied", "invalid_auth"),
            *("missing_scope", "no_permission", "not_allowed_token_type", "not_authed", "not_in_channel"),
            *("restricted_action", "team_access_not_granted", "token_expired", "token_revoked"),
        }
    ),
    Failure.ADDRESS: frozenset(
        {"channel_not_found", "is_archived", "message_not_found", "user_disabled", "user_not_found", "users_not_found"}
    ),
}
"""What Slack's word for an error says of why."""
READS: Final = frozenset({"conversations.history", "conversations.list"})
"""Methods that take a form and no JSON."""
MAX_TOPIC, MAX_INVITED, MAX_PAGES = 250, 100, 20
EVENT_TYPE: Final = "omc_page"
"""Of a message's metadata, which has the page's key."""


class SlackFailure(Exception):
    """A call that gave no result."""

    def __init__(self, outcome: Refused | TryAgain, error: str = "") -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome
        """What that comes to for whoever made the call."""
        self.error = error
        """Slack's own word for it: ``channel_not_found``."""


@dataclass(frozen=True, slots=True)
class SlackApi:
    """One workspace, as the bearer of a token."""

    http: httpx.Client
    address: str
    """``https://slack.com/api``."""
    token: str = field(repr=False)

    def call(self, method: str, **arguments: Any) -> Mapping[str, Any]:
        """The answer. Raises ``SlackFailure``."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json; charset=utf-8"}
        body = json.dumps(arguments).encode()
        if method in READS:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(arguments).encode()
        answer = post(self.http, f"{self.address.rstrip('/')}/{method}", body, headers)
        if not isinstance(answer, Answer):
            raise SlackFailure(_unsent(answer))
        response = answer.json()
        error = line(str((response or {}).get("error", "")))
        if (failed := failure(answer, "Slack", error)) is not None:
            raise SlackFailure(_unsent(failed), error)
        if response is None:
            raise SlackFailure(TryAgain("Slack answered something that is no JSON", may_have_arrived=True))
        if response.get("ok") is not True:
            raise SlackFailure(_meaning(method, error or "an error without a name", answer.after), error)
        return response

    def direct_message(self, user: str) -> str:
        """The id of the conversation with a member."""
        return str(self.call("conversations.open", users=user)["channel"]["id"])

    def find_message(self, channel: str, key: str) -> str | None:
        """The time of the message among the last ones in a channel that carries a page's key."""
        found = self.call("conversations.history", channel=channel, limit=50, include_all_metadata="true")
        for message in found.get("messages", ()):
            metadata = message.get("metadata") or {}
            if metadata.get("event_type") == EVENT_TYPE and metadata.get("event_payload", {}).get("key") == key:
                return str(message["ts"])
        return None

    def find_channel(self, name: str) -> str | None:
        """The id of a public channel that isn't archived."""
        cursor = ""
        for _ in range(MAX_PAGES):
            more = {"cursor": cursor} if cursor else {}
            found = self.call("conversations.list", types="public_channel", exclude_archived="true", limit=1000, **more)
            for channel in found.get("channels", ()):
                if channel.get("name") == name:
                    return str(channel["id"])
            cursor = str((found.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                break
        return None

    def ensure_channel(self, name: str, topic: str = "", members: tuple[str, ...] = ()) -> str:
        """The id of a public channel of this name, which is made where there is none. One that was archived under the
        name isn't revived: then ``-2`` is tried, and so on. Safe to repeat after any failure."""
        for attempt in range(1, 10):
            wanted = name if attempt == 1 else f"{name[: MAX_NAME - 2]}-{attempt}"
            try:
                channel = str(self.call("conversations.create", name=wanted)["channel"]["id"])
            except SlackFailure as failed:
                if failed.error != "name_taken":
                    raise
                if (found := self.find_channel(wanted)) is None:
                    continue
                channel = found
            self.furnish(channel, topic, members)
            return channel
        raise SlackFailure(Refused(f"all names like #{name} are taken by archived channels"), "name_taken")

    def furnish(self, channel: str, topic: str, members: tuple[str, ...]) -> None:
        """Topic and members, as far as they can be had: a channel without them is better than none."""
        calls: list[tuple[str, dict[str, Any]]] = []
        if topic:
            calls.append(("conversations.setTopic", {"topic": cut(line(topic), MAX_TOPIC)}))
        if members:
            # Without "force", one who is there already, or who can't be invited, keeps all others out.
            calls.append(("conversations.invite", {"users": ",".join(members[:MAX_INVITED]), "force": True}))
        for method, arguments in calls:
            try:
                self.call(method, channel=channel, **arguments)
            except SlackFailure as failed:
                if isinstance(failed.outcome, TryAgain):
                    raise


def _meaning(method: str, error: str, after: float | None) -> Refused | TryAgain:
    sentence = f"Slack answered {error} to {method}"
    why = next((failure for failure, errors in FAILURE_OF.items() if error in errors), Failure.OTHER)
    if error in LATER:
        return TryAgain(sentence, after, failure=why)
    if error in HALF_DONE:
        return TryAgain(sentence, after, may_have_arrived=True, failure=Failure.SERVER)
    return Refused(sentence, why)


def _unsent(outcome: Outcome) -> Refused | TryAgain:
    assert isinstance(outcome, Refused | TryAgain)  # noqa: S101 - HTTP alone sends nothing
    return outcome
