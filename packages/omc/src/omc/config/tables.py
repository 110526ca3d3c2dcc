"""omc.toml as types: one class for each of its tables, with what each key means, its unit and what it may be.

msgspec reads the file into them (``load``), a mistake is explained from them (``mistakes``), and the JSON schema and
docs/configuration.md are written from them (``scripts/configuration.py``). What keys must satisfy together is in
``rules``; what an environment comes to, once names and defaults are filled in, is in ``model``.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from omc.config.alert_tables import AlertsTable
from omc.config.contact_tables import ContactTable
from omc.config.door_tables import DoorsTable
from omc.config.environment_tables import ApprovalsTable, EnvironmentTable
from omc.config.fields import A_ZONE, ClockTime, Identifier, Table, key
from omc.config.log_tables import LogsTable
from omc.config.maintenance_tables import MaintenanceTable
from omc.config.notify_tables import NotifySettings
from omc.config.oncall_tables import RotaTable
from omc.config.review_tables import ReviewTable
from omc.config.server_tables import ServerSettings
from omc.config.service_tables import JobTable, ServiceTable, Thresholds
from omc.config.status_tables import StatusTable

CHANNEL, A_CHANNEL = r"#[^\s]+", 'a channel such as "#incidents"'


CONTACT = (
    r"slack:(?:[UW][A-Z0-9]{6,20}|#[^\s]+)|email:[^@\s:]+@[^@\s]+|sms:\+[0-9]{6,15}"
    r"|(?:pagerduty|ntfy|webhook):[A-Za-z0-9][A-Za-z0-9._-]*|push"
)


class Responder(Table, frozen=True, kw_only=True):
    """One rung of the on-call chain. The first is paged at once, each later one after more minutes."""

    role: Annotated[str, key("The role on call.", pattern=r".+", example="Primary On-Call")]
    name: Annotated[str, key("Who that is.", pattern=r".+", example="Jo Smith")]
    after_minutes: Annotated[
        int,
        key(
            "Paged when nobody has acknowledged for this long; 0 for the first.",
            least=0,
            most=1440,
            unit="minutes",
            example=15,
        ),
    ]
    rota: (
        Annotated[
            str,
            key(
                "Whoever is on call in this rota is paged: one of [rotas], or one that was imported.",
                pattern=r"[a-z][a-z0-9-]{0,31}",
                allowed="a rota's name",
                default="none",
                example="primary",
            ),
        ]
        | None
    ) = None
    person: (
        Annotated[
            str,
            key(
                "This one of [people] is paged. Without rota and person, whoever of [people] has `name`.",
                pattern=r"[a-z][a-z0-9-]{0,31}",
                allowed="a name of [people]",
                default="none",
                example="jo",
            ),
        ]
        | None
    ) = None
    email: (
        Annotated[
            str,
            key(
                "The address, where nobody of [people] is named.",
                pattern=r"[^@\s]+@[^@\s]+",
                allowed="an e-mail address",
                default="none",
                example="jo@example.com",
            ),
        ]
        | None
    ) = None
    phone: (
        Annotated[
            str,
            key(
                "The number, where nobody of [people] is named.",
                pattern=r"\+[0-9 ]{6,20}",
                allowed="a number such as +61 400 000 000",
                default="none",
                example="+61 400 000 000",
            ),
        ]
        | None
    ) = None


class OnCall(Table, frozen=True, kw_only=True):
    """Who is paged when. Two clocks: until somebody acknowledges, and until the incident is mitigated."""

    chain: Annotated[tuple[Responder, ...], key("See below.", default="none: nobody is paged")] = ()
    everyone_again_after_minutes: Annotated[
        int,
        key(
            "The whole chain is paged again when nobody has acknowledged for this long.",
            least=1,
            most=1440,
            unit="minutes",
            example=90,
        ),
    ] = 60
    mitigation_minutes: Annotated[
        int,
        key(
            "Acknowledged but not mitigated for this long: the next in the chain is paged.",
            least=1,
            most=1440,
            unit="minutes",
            example=45,
        ),
    ] = 30
    acknowledgement_minutes: Annotated[
        int,
        key(
            "An acknowledgement lapses so long after the last sign of work, and people are paged again; 0: never.",
            least=0,
            most=10080,
            unit="minutes",
            example=90,
        ),
    ] = 60
    most_pages: Annotated[
        int,
        key(
            "So many urgent pages one person gets within `most_pages_minutes`; one more names all other incidents. "
            "Only pages that are as bad or worse count; 0: no bound.",
            least=0,
            most=100,
            example=8,
        ),
    ] = 5
    most_pages_minutes: Annotated[
        int,
        key("The time for which `most_pages` holds.", least=1, most=1440, unit="minutes", example=15),
    ] = 10
    quiet_minutes: Annotated[
        int,
        key(
            "An incident whose alerts have all ended is resolved after so long without another, if all is well then.",
            least=1,
            most=1440,
            unit="minutes",
            example=30,
        ),
    ] = 15
    reopen_minutes: Annotated[
        int,
        key(
            "An alert that fires again within so long after an incident's end opens the same incident again.",
            least=0,
            most=10080,
            unit="minutes",
            example=120,
        ),
    ] = 60
    customer_update_minutes: Annotated[
        int,
        key(
            "In a SEV-1 customers are told in each such time; who does it is reminded.",
            least=5,
            most=1440,
            unit="minutes",
            example=60,
        ),
    ] = 30
    business_hours: Annotated[
        tuple[ClockTime, ...],
        key(
            "SEV-3 waits for these, Monday to Friday without public holidays, in the stack's time zone.",
            min_length=2,
            max_length=2,
            allowed='two times, ["09:00", "17:00"]',
            default='`["09:00", "17:00"]`',
            example=["08:30", "18:00"],
        ),
    ] = field(default_factory=lambda: (ClockTime(9), ClockTime(17)))
    public_holidays: Annotated[
        str,
        key(
            "The place whose public holidays have no business hours; empty for none.",
            pattern=r"(?:[A-Z]{2}(?:-[A-Z0-9]{1,4})?)?",
            allowed="a country such as CH, with a part of it such as AU-NSW, or an empty text",
            example="CH-ZH",
        ),
    ] = "AU-NSW"


class Channels(Table, frozen=True, kw_only=True):
    """Slack channels. One that isn't named is told nothing."""

    incidents: (
        Annotated[str, key("Of an incident.", pattern=CHANNEL, allowed=A_CHANNEL, default="none", example="#incidents")]
        | None
    ) = None
    alerts: (
        Annotated[str, key("For alarms.", pattern=CHANNEL, allowed=A_CHANNEL, default="none", example="#alerts")] | None
    ) = None
    general: (
        Annotated[
            str, key("For everything else.", pattern=CHANNEL, allowed=A_CHANNEL, default="none", example="#devops")
        ]
        | None
    ) = None


class RunbookTable(Table, frozen=True, kw_only=True):
    """Where the runbook is to which findings and pages point. omc comes with one (`omc runbook list`); a team that
    keeps its own says where it is and what its headings are called.
    """

    address: (
        Annotated[
            str,
            key(
                "The folder or the page of a runbook of one's own; a link is this and the section.",
                pattern=r"https?://[^\s#]+",
                allowed="a URL such as https://wiki.example.com/runbook.md",
                default="omc's own, which comes with it",
                example="https://wiki.example.com/runbook.md",
            ),
        ]
        | None
    ) = None
    titles: Annotated[
        dict[
            str,
            Annotated[str, key("A heading.", pattern=r"[^\n]+", allowed="the heading as it is written there")],
        ],
        key(
            "What a section is called there, by the name that `omc runbook list` has for it.",
            allowed='a table such as {database = "Database is slow"}',
            default="as in omc's own",
            example={"database": "Database is slow"},
        ),
    ] = field(default_factory=dict)


OMCS_RUNBOOK = RunbookTable()


class PersonTable(Table, frozen=True, kw_only=True):
    """One person: the names by which she is known, under which she approves once and never for herself, and the ways in
    which she is paged.

    Case makes no difference. A name that is listed nowhere is a person of its own, the same at AWS and at GitHub. The
    session name of a plain role is never a person: whoever assumes it chooses it.
    """

    aws: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        key(
            "Names of IAM Identity Center, of IAM, or roles that nobody else may assume.",
            allowed='names as AWS has them: ["jo@example.com"] of Identity Center, ["jo"] of IAM, ["role/jo-admin"]',
            default="none",
            example=["jo@example.com", "jo.admin", "role/jo-breakglass"],
        ),
    ] = ()
    github: Annotated[
        tuple[
            Annotated[
                str,
                key(
                    "A login.",
                    pattern=r"[A-Za-z0-9][A-Za-z0-9_-]*(?:\[bot\])?",
                    allowed='a login of GitHub, as in ["jo-gh"]',
                ),
            ],
            ...,
        ],
        key("Logins of GitHub.", allowed='logins of GitHub, ["jo-gh"]', default="none", example=["jo-gh"]),
    ] = ()
    name: (
        Annotated[
            str,
            key("As others call her.", pattern=r".+", default="the table's name", example="Jo Smith"),
        ]
        | None
    ) = None
    contacts: Annotated[
        tuple[
            Annotated[
                str,
                key(
                    "One way to reach her: a channel, a colon and an address in it.",
                    pattern=CONTACT,
                    allowed="slack:U024BE7LH, email:jo@example.com, sms:+61400000000, pagerduty:jo, ntfy:jo-pages, "
                    "webhook:jo or push",
                ),
            ],
            ...,
        ],
        key(
            "How she is paged: the first is tried first, the next where that fails. Nobody can be reached without one.",
            allowed='a list such as ["slack:U024BE7LH", "sms:+61400000000"]',
            default="none",
            example=["slack:U024BE7LH", "sms:+61400000000", "email:jo@example.com"],
        ),
    ] = ()


class GitHubSettings(Table, frozen=True, kw_only=True):
    """Whose word about a workflow's run is taken: what a job says of itself is believed when GitHub confirms it."""

    api: (
        Annotated[
            str,
            key(
                "The API of a GitHub Enterprise Server.",
                pattern=r"https?://\S+",
                allowed="a URL, https://github.example.com/api/v3",
                default="that of github.com or ghe.com",
                example="https://github.example.com/api/v3",
            ),
        ]
        | None
    ) = None
    repository: (
        Annotated[
            str,
            key(
                "Jobs of any other repository are not this stack's.",
                pattern=r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+",
                allowed="owner/name",
                default="any",
                example="example/ohmycoins",
            ),
        ]
        | None
    ) = None


ANY_REPOSITORY = GitHubSettings()


class StoreSettings(Table, frozen=True, kw_only=True):
    """omc's own record: runs, approvals, releases, incidents.

    A team needs a shared one, and changes in GitHub Actions are refused without: it must be reachable from the runners,
    by TLS.
    """

    url: (
        Annotated[
            str,
            key(
                "A PostgreSQL, without a password: that comes from PGPASSWORD, ~/.pgpass or OMC_STORE_URL.",
                pattern=r"postgres(?:ql)?://\S+",
                allowed="a PostgreSQL's URL without a password: postgresql://user@host:5432/database",
                default="a PostgreSQL of omc's own in `folder`",
                example="postgresql://omc@db.example.com/omc?sslmode=verify-full",
            ),
        ]
        | None
    ) = None
    folder: (
        Annotated[
            str,
            key(
                "Where omc's own PostgreSQL keeps its data, beside this file.",
                pattern=r".+",
                allowed="a folder, beside this file",
                default="`.omc`",
                example=".omc",
            ),
        ]
        | None
    ) = None


OWN_STORE = StoreSettings()


class StackTable(Table, frozen=True, kw_only=True):
    """The whole file."""

    name: Annotated[
        str,
        key(
            "The stack's name, with which names begin that aren't set.",
            pattern=r"[a-z][a-z0-9-]{0,20}",
            allowed="a name such as ohmycoins",
            example="ohmycoins",
        ),
    ]
    time_zone: Annotated[
        str,
        key(
            "Where the people are; times are shown in it and in UTC.",
            pattern=r".+",
            allowed=A_ZONE,
            example="Europe/Zurich",
        ),
    ] = "Australia/Sydney"
    default_environment: (
        Annotated[
            str,
            key(
                "The environment of a command without `--env`.",
                pattern=r".+",
                default="none: each command wants `--env`",
                example="staging",
            ),
        ]
        | None
    ) = None
    environments: Annotated[dict[Identifier, EnvironmentTable], key("See below.", min_length=1)]
    services: Annotated[dict[Identifier, ServiceTable], key("See below.", min_length=1)]
    thresholds: Annotated[Thresholds, key("See below.", default="as below")] = field(default_factory=Thresholds)
    jobs: Annotated[dict[Identifier, JobTable], key("See below.", default="none")] = field(default_factory=dict)
    on_call: Annotated[OnCall, key("See below.", default="none")] = field(default_factory=OnCall)
    channels: Annotated[Channels, key("See below.", default="none")] = field(default_factory=Channels)
    runbook: Annotated[RunbookTable, key("See below.", default="omc's own")] = field(default_factory=RunbookTable)
    alerts: Annotated[AlertsTable, key("See below.", default="as below")] = field(default_factory=AlertsTable)
    logs: Annotated[LogsTable, key("See below.", default="as below")] = field(default_factory=LogsTable)
    maintenance: Annotated[MaintenanceTable, key("See below.", default="as below")] = field(
        default_factory=MaintenanceTable
    )
    review: Annotated[ReviewTable, key("See below.", default="as below")] = field(default_factory=ReviewTable)
    doors: Annotated[DoorsTable, key("See below.", default="as below")] = field(default_factory=DoorsTable)
    approvals: Annotated[dict[Identifier, ApprovalsTable], key("See below.", default="as below")] = field(
        default_factory=dict
    )
    rotas: Annotated[dict[Identifier, RotaTable], key("See below.", default="none")] = field(default_factory=dict)
    people: Annotated[dict[Identifier, PersonTable], key("See below.", default="none")] = field(default_factory=dict)
    notify: Annotated[NotifySettings, key("See below.", default="as below")] = field(default_factory=NotifySettings)
    server: Annotated[ServerSettings, key("See below.", default="as below")] = field(default_factory=ServerSettings)
    status: Annotated[StatusTable, key("See below.", default="as below")] = field(default_factory=StatusTable)
    contacts: Annotated[dict[Identifier, ContactTable], key("See below.", default="none")] = field(default_factory=dict)
    github: Annotated[GitHubSettings, key("See below.", default="as below")] = field(default_factory=GitHubSettings)
    store: Annotated[StoreSettings, key("See below.", default="as below")] = field(default_factory=StoreSettings)
