"""An environment's tables of omc.toml. See ``omc.config.tables``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import field

from omc.config.backup_tables import BackupsTable
from omc.config.fields import A_ZONE, NAME, ClockTime, Identifier, Table, key
from omc.config.service_tables import EnvironmentServiceTable

Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

REGION = r"[a-z]{2,6}(?:-[a-z]+)+-[0-9]{1,2}"
"""Of every partition: also us-gov-west-1, cn-north-1, eusc-de-east-1."""


class WindowTable(Table, frozen=True, kw_only=True):
    """A window for maintenance, which comes again. Without any, maintenance may be done at any time.

    It is as long on every day: where the clocks of its zone skip its begin it comes later, where its begin comes twice
    the first one counts. `omc maintenance calendar` shows each time that it is open.
    """

    day: Annotated[Day, key("The day on which it begins.", example="sunday")]
    start: Annotated[ClockTime, key("When it begins, in its zone.", example="02:00:00")]
    end: Annotated[ClockTime, key("When it ends, on the next day where that is before `start`.", example="04:00:00")]
    zone: Annotated[
        str,
        key(
            "Its zone. RDS and ElastiCache know UTC alone: of a zone whose clocks change, their window is the part "
            "that lies in it all year.",
            allowed=A_ZONE,
            example="Australia/Sydney",
        ),
    ] = "AEST"
    weeks: Annotated[
        tuple[Annotated[int, key("A week of the month; -1 is the last.", least=-1, most=5)], ...],
        key(
            "Which of the month's days of that name; -1 is the last.",
            allowed="a list of 1 to 5 and -1",
            default="every week",
            example=[1, 3],
        ),
    ] = ()
    name: Annotated[str, key("What people call it.", pattern=r"[^\n]{0,60}", example="monthly patches")] = ""
    required: Annotated[
        bool,
        key(
            "Whether `omc deploy` waits for a window, or wants `--override`. Otherwise, being outside is only a note.",
            example=True,
        ),
    ] = False


class FreezeTable(Table, frozen=True, kw_only=True):
    """A time in which nothing is deployed without a reason, which is recorded (`--override`)."""

    begin: Annotated[
        datetime,
        key(
            "When it begins.",
            tz=True,
            allowed="a date and time with its offset, 2026-12-20T00:00:00+11:00",
            example="2026-12-20T00:00:00+11:00",
        ),
    ]
    end: Annotated[
        datetime,
        key(
            "When it ends.",
            tz=True,
            allowed="a date and time with its offset, 2027-01-04T00:00:00+11:00",
            example="2027-01-04T00:00:00+11:00",
        ),
    ]
    reason: Annotated[str, key("Why, for whoever is held up by it.", pattern=r".+", example="holidays")]


class EnvironmentTable(Table, frozen=True, kw_only=True):
    """One environment: an account and region of AWS, or a local cloud."""

    prefix: (
        Annotated[
            str,
            key(
                "What every name in it begins with.",
                pattern=NAME,
                allowed="a prefix of names",
                default="`<name>-<environment>`",
                example="ohmycoins-staging",
            ),
        ]
        | None
    ) = None
    region: (
        Annotated[
            str,
            key(
                "The AWS region.",
                pattern=REGION,
                allowed="an AWS region",
                default="the profile's, else `ap-southeast-2`",
                example="ap-southeast-2",
            ),
        ]
        | None
    ) = None
    account: (
        Annotated[
            str,
            key(
                "The AWS account. With it, omc refuses the credentials of any other.",
                pattern=r"[0-9]{12}",
                allowed="twelve digits in quotes",
                default="any that the credentials belong to",
                example="123456789012",
            ),
        ]
        | None
    ) = None
    profile: (
        Annotated[
            str,
            key(
                "A profile of `~/.aws/config`.",
                pattern=r".+",
                allowed="the name of a profile",
                default="the shell's",
                example="ohmycoins-staging",
            ),
        ]
        | None
    ) = None
    local_state: (
        Annotated[
            str,
            key(
                "The folder of a local cloud, beside this file. It makes the environment a local one. The environment "
                "variable `OMC_LOCAL_STATE` overrides it.",
                pattern=r".+",
                allowed="a folder, beside this file",
                default="none: the environment is in AWS",
                example=".localcloud",
            ),
        ]
        | None
    ) = None
    release_watch_seconds: (
        Annotated[
            int,
            key(
                "How long a release is watched before it counts as good. Without three whole minutes of the load "
                "balancer's figures, which come a minute or two late, it is recorded as unwatched.",
                least=0,
                most=86_400,
                unit="seconds",
                default="420; 120 in a local cloud",
                example=600,
            ),
        ]
        | None
    ) = None
    incident_watch_seconds: (
        Annotated[
            int,
            key(
                "How long a release that is meant as a fix is watched: users are served badly before it, an incident "
                "is open, or its image was rolled back once.",
                least=0,
                most=172_800,
                unit="seconds",
                default="twice `release_watch_seconds`",
                example=1200,
            ),
        ]
        | None
    ) = None
    settle_seconds: (
        Annotated[
            int,
            key(
                "How long new tasks must stay well before a restart, a scaling or a rollback counts as done: three "
                "checks of the load balancer.",
                least=0,
                most=600,
                unit="seconds",
                default="90; 10 in a local cloud",
                example=60,
            ),
        ]
        | None
    ) = None
    url: (
        Annotated[
            str,
            key(
                "Where users reach it, without a login. Set it where the load balancer's certificate is for a "
                "pattern of names.",
                pattern=r"https?://[^/\s]+[^\s?#]*",
                allowed="a URL with a host and no login, https://app.example.com",
                default="over HTTPS the name in the load balancer's certificate, else its own name over HTTP",
                example="https://app.example.com",
            ),
        ]
        | None
    ) = None
    probe: Annotated[
        bool,
        key(
            "Whether omc asks for the services' pages as users do. `false` where omc runs outside of the network that "
            "may: then only the load balancer's figures say whether users are served.",
            example=False,
        ),
    ] = True
    monthly_budget_usd: (
        Annotated[
            float,
            key(
                "What it may cost in a month, without tax: the weekly review holds the forecast against it.",
                least=1,
                most=100_000_000,
                unit="USD",
                default="what AWS Budgets has for a month",
                example=900,
            ),
        ]
        | None
    ) = None
    cluster: (
        Annotated[
            str,
            key(
                "The ECS cluster; a service or a job may name another one.",
                pattern=NAME,
                allowed="a name",
                default="the prefix",
                example="ohmycoins",
            ),
        ]
        | None
    ) = None
    load_balancer: (
        Annotated[
            str,
            key(
                'The Application Load Balancer; "" where there is none.',
                pattern=f"(?:{NAME})?",
                allowed="a name, or nothing",
                default="the one called `<prefix>` or `<prefix>-…`",
                example="ohmycoins-staging-alb",
            ),
        ]
        | None
    ) = None
    database: (
        Annotated[
            str,
            key(
                'The RDS instance; "" where there is none.',
                pattern=f"(?:{NAME})?",
                allowed="a name, or nothing",
                default="the prefix, or none beside a `database_cluster`",
                example="ohmycoins-staging",
            ),
        ]
        | None
    ) = None
    database_cluster: (
        Annotated[
            str,
            key(
                "An Aurora cluster, or a Multi-AZ DB cluster, in place of `database`.",
                pattern=NAME,
                allowed="a name",
                default="none",
                example="acme-prod",
            ),
        ]
        | None
    ) = None
    cache: (
        Annotated[
            str,
            key(
                'The ElastiCache replication group, of Redis OSS or Valkey; "" where there is none.',
                pattern=f"(?:{NAME})?",
                allowed="a name, or nothing",
                default="`<prefix>-redis`, or none beside a `cache_serverless`",
                example="ohmycoins-staging-redis",
            ),
        ]
        | None
    ) = None
    cache_serverless: (
        Annotated[
            str,
            key(
                "A serverless cache of ElastiCache, in place of `cache`.",
                pattern=NAME,
                allowed="a name",
                default="none",
                example="acme-cache",
            ),
        ]
        | None
    ) = None
    terraform: (
        Annotated[
            str,
            key(
                "The root of Terraform that makes the environment, beside this file.",
                pattern=r".+",
                allowed="a folder, beside this file",
                default="`infrastructure/terraform/environments/<environment>`; of a local cloud that of `staging`",
                example="infra/envs/prod",
            ),
        ]
        | None
    ) = None
    alarm_prefix: (
        Annotated[
            str,
            key(
                "What the names of its alarms begin with.",
                pattern=NAME,
                allowed="a prefix of names",
                default="`<prefix>-`",
                example="ohmycoins-staging-",
            ),
        ]
        | None
    ) = None
    terraform_state: (
        Annotated[
            str,
            key(
                "Where Terraform's state is, from which the morning check knows what should be there. `{account}` "
                'stands for the account\'s number; "" for no state.',
                pattern=r"(?:s3://(?:[a-z0-9.-]|\{account\})+/\S+)?",
                allowed="s3://bucket/key, or nothing",
                default="`s3://<name>-<environment>-tfstate-{account}/<environment>/terraform.tfstate`",
                example="s3://ohmycoins-tfstate/staging/terraform.tfstate",
            ),
        ]
        | None
    ) = None
    audit_bucket: (
        Annotated[
            str,
            key(
                "The bucket in which the head of omc's record is kept out of its owner's reach. `{account}` stands for "
                'the account\'s number; "" for none.',
                pattern=r"(?:[a-z0-9.-]|\{account\})*",
                allowed="a bucket's name, or nothing",
                default="`<prefix>-audit-{account}`",
                example="ohmycoins-audit",
            ),
        ]
        | None
    ) = None
    record_log_group: (
        Annotated[
            str,
            key(
                'The log group in which the head of omc\'s record is kept; "" for none.',
                pattern=r"[A-Za-z0-9_./#-]*",
                allowed="a name, or nothing",
                default="`/omc/<prefix>/record`",
                example="/omc/ohmycoins/record",
            ),
        ]
        | None
    ) = None
    window: Annotated[tuple[WindowTable, ...], key("See below.", default="none", min_length=1)] | None = None
    backups: Annotated[BackupsTable, key("See below.", default="as below")] = field(default_factory=BackupsTable)
    freeze: Annotated[tuple[FreezeTable, ...], key("See below.", default="none", min_length=1)] | None = None
    services: Annotated[dict[Identifier, EnvironmentServiceTable], key("See below.", default="as in `[services]`")] = (
        field(default_factory=dict)
    )


class ApprovalsTable(Table, frozen=True, kw_only=True):
    """How many other people must approve a plan of each risk, by environment.

    Not by whoever asked for it, and not twice by the same person. Low: a restart, a scaling within limits. High: a
    rollback, an apply. Destructive: destroying or replacing a data store.
    """

    low: Annotated[int, key("Of low risk.", least=0, most=10, unit="people", default="0", example=1)] | None = None
    high: (
        Annotated[
            int,
            key("Of high risk.", least=0, most=10, unit="people", default="1; 0 in staging and locally", example=2),
        ]
        | None
    ) = None
    destructive: (
        Annotated[int, key("Destructive.", least=0, most=10, unit="people", default="2; 0 locally", example=1)] | None
    ) = None
    expires_minutes: (
        Annotated[
            int,
            key(
                "How long an approval counts, until the change has begun.",
                least=1,
                most=10_080,
                unit="minutes",
                default="60",
                example=120,
            ),
        ]
        | None
    ) = None
    break_glass: (
        Annotated[
            bool,
            key(
                "Whether in an open SEV-1 (`omc incident`) a change of high risk may go ahead without its approvals, "
                "with a reason. A destructive one never may.",
                default="true; false in staging and locally",
                example=False,
            ),
        ]
        | None
    ) = None
    type_name: (
        Annotated[
            bool,
            key(
                "Whether the environment's name is typed for each change. For a destructive one in AWS it always is.",
                default="true; false in staging and locally",
                example=True,
            ),
        ]
        | None
    ) = None
    github_review: (
        Annotated[
            bool,
            key(
                "Whether a change that GitHub Actions makes is refused unless somebody other than its starter approved "
                "the job's deployment on GitHub. A lone operator, or a team whose GitHub plan has no required "
                "reviewers, sets `false`; then the numbers above are all there is.",
                default="true; false locally",
                example=False,
            ),
        ]
        | None
    ) = None
