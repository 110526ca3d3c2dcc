"""``[notify]`` of omc.toml: the channels by which people are reached, and the names of the secrets that they take.

No secret stands in omc.toml: ``SECRETS`` says which environment variable holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import field

from omc.config.fields import Identifier, Table, key

HTTPS = r"https://[^\s@]+|http://(?:localhost|127\.0\.0\.1)(?::[0-9]+)?(?:/\S*)?"
AN_HTTPS_URL = "a URL without a login, https://…; http:// for this machine alone"

SECRETS: Mapping[str, str] = {
    "OMC_SLACK_BOT_TOKEN": "The bot's token, `xoxb-…`: it posts.",
    "OMC_SLACK_APP_TOKEN": "The app's token, `xapp-…`, with the scope `connections:write`: it receives by Socket Mode.",
    "OMC_SMTP_PASSWORD": "The password of `[notify.email]`'s user.",
    "OMC_NTFY_TOKEN": "The access token of the ntfy server, where it wants one.",
    "OMC_PAGERDUTY_KEY_<NAME>": "The integration key of `[notify.pagerduty.<name>]`.",
    "OMC_WEBHOOK_SECRET_<NAME>": "What messages to `[notify.webhook.<name>]` are signed with, `whsec_…` or any text.",
    "OMC_LINK_SECRET": "At least 32 characters: with it a page has a link by which it is acknowledged. The same for "
    "every process of the store.",
    "OMC_OLD_LINK_SECRET": "The one before, for a day after it was replaced.",
    "OMC_VAPID_KEY": "The private key of web push: P-256, as PEM or as 32 bytes in base64url.",
    "OMC_INTAKE_SECRET_<NAME>": "What Grafana, or another sender, signs its posts to the environment `<name>` with.",
    "OMC_OLD_INTAKE_SECRET_<NAME>": "The one before, until every sender has the new one.",
    "OMC_STATUS_KEY": "What customers' confirmations, unsubscribe links and webhooks' secrets are made of: 32 random "
    "characters or more, the same for every `omc serve` of a store. Another one makes all of them invalid.",
}
"""Environment variables that are read when something is sent or comes in. ``<NAME>`` is the table's name in capitals,
``_`` for ``-``."""


class SlackTable(Table, frozen=True, kw_only=True):
    """Slack, by an internal app of the workspace: `docs/paging.md` has its scopes."""

    api: Annotated[
        str,
        key(
            "The Web API.",
            pattern=HTTPS,
            allowed=AN_HTTPS_URL,
            example="https://slack-gov.com/api",
        ),
    ] = "https://slack.com/api"
    team: (
        Annotated[
            str,
            key(
                "The workspace's id: buttons pressed and commands typed in another one are refused.",
                pattern=r"T[A-Z0-9]{6,20}",
                allowed="an id such as T024BE7LH",
                default="any that the app is installed in",
                example="T024BE7LH",
            ),
        ]
        | None
    ) = None
    incident_channels: Annotated[
        bool,
        key(
            "Whether each SEV-1 and SEV-2 has a channel of its own, once there is a bot's token.",
            example=False,
        ),
    ] = True


class EmailTable(Table, frozen=True, kw_only=True):
    """The mail server that takes pages for delivery."""

    host: Annotated[str, key("Its name.", pattern=r"[A-Za-z0-9.:-]+", allowed="a host", example="smtp.example.com")]
    port: Annotated[int, key("Its port.", least=1, most=65535, example=465)] = 587
    sender: Annotated[
        str,
        key(
            "The address that pages come from.",
            pattern=r"[^@\s<>]+@[A-Za-z0-9.-]+",
            allowed="an e-mail address",
            example="omc@example.com",
        ),
    ]
    security: Annotated[
        Literal["starttls", "tls", "none"],
        key(
            "`starttls`: demanded before anything is said; `tls`: from the first byte on; `none`: for a relay on this "
            "machine alone.",
            example="tls",
        ),
    ] = "starttls"
    user: (
        Annotated[
            str,
            key(
                "Who logs in; the password is in `OMC_SMTP_PASSWORD`.",
                pattern=r".+",
                default="nobody logs in",
                example="omc",
            ),
        ]
        | None
    ) = None


class SmsTable(Table, frozen=True, kw_only=True):
    """SMS, by Amazon SNS in the account of the page's environment."""

    sender_id: (
        Annotated[
            str,
            key(
                "The name that a message comes from, where the country allows one.",
                pattern=r"[A-Za-z0-9]{3,11}",
                allowed="3 to 11 letters and digits",
                default="as SNS chooses",
                example="OhMyCoins",
            ),
        ]
        | None
    ) = None
    origination_number: (
        Annotated[
            str,
            key(
                "The number that a message comes from.",
                pattern=r"\+?[0-9]{3,15}",
                allowed="a number such as +61400000000",
                default="as SNS chooses",
                example="+61400000000",
            ),
        ]
        | None
    ) = None


class PagerDutyTable(Table, frozen=True, kw_only=True):
    """An integration of the Events API v2. Its key is in `OMC_PAGERDUTY_KEY_<NAME>`."""

    api: Annotated[
        str,
        key(
            "Where events are sent.",
            pattern=HTTPS,
            allowed=AN_HTTPS_URL,
            example="https://events.eu.pagerduty.com",
        ),
    ] = "https://events.pagerduty.com"


class NtfyTable(Table, frozen=True, kw_only=True):
    """ntfy. On a server without access control whoever knows a topic's name reads it."""

    server: Annotated[
        str, key("The server.", pattern=HTTPS, allowed=AN_HTTPS_URL, example="https://ntfy.example.com")
    ] = "https://ntfy.sh"


class WebhookTable(Table, frozen=True, kw_only=True):
    """A receiver of signed messages (standardwebhooks.com). Its secret is in `OMC_WEBHOOK_SECRET_<NAME>`."""

    url: Annotated[
        str, key("Where messages are sent.", pattern=HTTPS, allowed=AN_HTTPS_URL, example="https://example.com/pages")
    ]


PUSH_SERVICES = (
    "fcm.googleapis.com",
    "updates.push.services.mozilla.com",
    "*.push.services.mozilla.com",
    "*.push.apple.com",
    "*.notify.windows.com",
)
"""Of Chrome, Firefox, Safari and Edge. A browser names its service in the address that it gives."""


class PushTable(Table, frozen=True, kw_only=True):
    """Web push, to the browsers in which a person has allowed it. Its private key is in `OMC_VAPID_KEY`."""

    contact: (
        Annotated[
            str,
            key(
                "Whom a push service writes to when something is wrong (VAPID's `sub`).",
                pattern=r"mailto:[^@\s]+@[^@\s]+|https://\S+",
                allowed="mailto: with an address, or an https:// page",
                default="no web push is sent",
                example="mailto:ops@example.com",
            ),
        ]
        | None
    ) = None
    services: Annotated[
        tuple[
            Annotated[
                str,
                key("A host.", pattern=r"(?:\*\.)?[A-Za-z0-9.-]+", allowed="hosts such as *.push.apple.com"),
            ],
            ...,
        ],
        key(
            "The push services that are sent to: omc opens no other address that a browser names.",
            allowed='hosts, ["*.push.apple.com"]',
            default="those of Chrome, Firefox, Safari and Edge",
            example=["*.push.apple.com"],
        ),
    ] = PUSH_SERVICES


class NotifySettings(Table, frozen=True, kw_only=True):
    """How pages reach people: a contact of `[people]` names a channel and an address, and the channel's own needs are
    here."""

    slack: Annotated[SlackTable, key("See below.", default="as below")] = field(default_factory=SlackTable)
    email: Annotated[EmailTable, key("See below.", default="no e-mail is sent")] | None = None
    sms: Annotated[SmsTable, key("See below.", default="as below")] = field(default_factory=SmsTable)
    pagerduty: Annotated[dict[Identifier, PagerDutyTable], key("See below.", default="none")] = field(
        default_factory=dict
    )
    ntfy: Annotated[NtfyTable, key("See below.", default="as below")] = field(default_factory=NtfyTable)
    webhook: Annotated[dict[Identifier, WebhookTable], key("See below.", default="none")] = field(default_factory=dict)
    push: Annotated[PushTable, key("See below.", default="as below")] = field(default_factory=PushTable)
    shared: Annotated[
        tuple[
            Annotated[
                str,
                key("A contact of [people].", pattern=r"(?:email|sms|ntfy|slack):.{1,254}", allowed="a contact"),
            ],
            ...,
        ],
        key(
            "Contacts that several people read, such as a team's mailbox: pages to them have no link that acknowledges "
            "in one person's name. PagerDuty, webhooks, channels of Slack and what two people have need not be named.",
            allowed='a list such as ["email:on-call@example.com"]',
            default="none",
            example=["email:on-call@example.com"],
        ),
    ] = ()


DEFAULT_NOTIFY = NotifySettings()
