"""What omc.toml says, as plain values. Reading and checking the file is ``omc.config.load``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from omc.config.alert_tables import ALERTS, AlertsTable
from omc.config.backup_tables import BACKUPS, BackupsTable
from omc.config.contact_tables import ContactTable
from omc.config.door_tables import DOORS, DoorsTable
from omc.config.log_tables import LOGS, LogsTable
from omc.config.maintenance_tables import MAINTENANCE, MaintenanceTable
from omc.config.notify_tables import DEFAULT_NOTIFY, NotifySettings
from omc.config.oncall_tables import RotaTable
from omc.config.people import NO_PEOPLE, People
from omc.config.review_tables import REVIEW, ReviewTable
from omc.config.server_tables import DEFAULT_SERVER, ServerSettings
from omc.config.service_tables import Thresholds
from omc.config.status_tables import DEFAULT_STATUS, StatusTable
from omc.config.tables import (
    ANY_REPOSITORY,
    OMCS_RUNBOOK,
    OWN_STORE,
    Channels,
    GitHubSettings,
    OnCall,
    RunbookTable,
    StoreSettings,
)
from omc.config.windows import MaintenanceWindow, Occurrence, open_or_next
from omc.model.people import Person

LOCAL_ROOT = "staging"
"""The Terraform root that is applied in a local cloud: the folder that AWS gets, with its ``local.tfvars``."""
ROOTS = Path("infrastructure/terraform/environments")
"""Where the roots of Terraform are, beside the stack file, unless it says otherwise."""


@dataclass(frozen=True, slots=True)
class Service:
    """One ECS service of an environment, with the names of all that belongs to it."""

    name: str
    """omc's own word for it: what people type and read, and the key in plans, facts and the record."""
    ecs_service: str
    """What ECS calls it, in calls, dimensions and resource ids."""
    cluster: str
    family: str
    """Task definition family."""
    container: str
    log_group: str
    target_groups: tuple[str, ...]
    """Names of target groups, in all of which its tasks are registered; ARNs are looked up. None where no load balancer
    leads to it."""
    port: int | None
    """None where it serves no requests."""
    minimum: int | None
    """Fewest tasks that autoscaling keeps; None, as the next two, where no autoscaling is expected."""
    maximum: int | None
    cpu_target: int | None
    """Average CPU, percent, that target tracking aims at."""
    memory_target: int | None
    """Average memory, percent, that target tracking aims at; None where memory doesn't scale it."""
    status_path: str | None
    """A path that answers JSON with ``data_age_seconds``."""
    migrate: tuple[str, ...] = ()
    """What brings the database to the schema that the service's code needs, run in a task of its own before the new
    revision takes traffic; empty for a service without a schema."""
    migrate_family: str | None = None
    """Task definition family of that task, for secrets that no serving task gets; None: the service's own family."""
    public_path: str | None = None
    """A path that users ask for and that answers a GET without a login, as a user would want it."""
    connections: int | tuple[str, ...] | None = None
    """How many database connections a task opens at most, or the variables of its container whose sum it is; None: not
    known."""

    @property
    def scales(self) -> bool:
        """Whether autoscaling is expected of it."""
        return self.minimum is not None


@dataclass(frozen=True, slots=True)
class Job:
    """A task that isn't a service's: started by a schedule, or by hand."""

    name: str
    family: str
    cluster: str
    container: str
    log_group: str
    schedule: str | None = None
    """An EventBridge rule, or a schedule of EventBridge Scheduler, as ``group/name`` where it isn't in the group
    ``default``; None: it is started by hand."""

    @property
    def schedule_path(self) -> str:
        """``group/name`` as EventBridge Scheduler has it, whose own group is ``default``; empty without a schedule."""
        name = self.schedule or ""
        return name if "/" in name or not name else f"default/{name}"


@dataclass(frozen=True, slots=True)
class Freeze:
    """A time in which nothing is deployed without a reason that is recorded."""

    begin: datetime
    end: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class ApprovalPolicy:
    """How many other people must say yes to a plan of each risk before it is performed in an environment."""

    low: int = 0
    high: int = 0
    destructive: int = 0
    expires_minutes: int = 60
    """How long an approval counts; a plan that has begun no longer needs it."""
    break_glass: bool = False
    """Whether a plan of high risk may go ahead without its approvals in a SEV-1, with a reason that is recorded. A
    destructive one never may."""
    type_name: bool = False
    """Whether the environment's name must be typed for each change. For a destructive one outside of a local cloud it
    always must."""
    github_review: bool = True
    """Whether a change that GitHub Actions makes needs somebody's review of the job's deployment on GitHub."""

    def needed(self, risk: str) -> int:
        """Other people who must approve a plan of this risk: ``low``, ``high`` or ``destructive``."""
        return int(getattr(self, risk))


LOCAL_POLICY = ApprovalPolicy(github_review=False)
STAGING_POLICY = ApprovalPolicy(destructive=2)
PRODUCTION_POLICY = ApprovalPolicy(high=1, destructive=2, break_glass=True, type_name=True)
"""Also of every environment that is neither local nor called staging."""


@dataclass(frozen=True, slots=True)
class Environment:
    """One environment: where it is and what everything in it is called."""

    name: str
    prefix: str
    region: str
    account: str | None
    """Twelve digits; checked before anything else is asked of AWS."""
    profile: str | None
    local_state: Path | None
    """The local cloud's state folder; None for environments in AWS."""
    cluster: str
    """Of its services and jobs that don't name another: ``clusters`` has all."""
    load_balancer: str | None
    """The load balancer's name; None: the ones whose name begins with the prefix. Where there is none at all
    ``has_load_balancer`` is false."""
    database: str
    """An RDS instance; empty where there is none."""
    cache: str
    """An ElastiCache replication group; empty where there is none."""
    alarm_prefix: str
    audit_bucket: str
    """Where the record's head is kept, under a lock; ``{account}`` stands for the account's number. Empty: nowhere."""
    record_log_group: str
    """The log group in which the record's head is kept too. Empty: nowhere."""
    terraform_state: str
    """Where Terraform's state is, ``s3://bucket/key``; ``{account}`` stands for the account's number. Empty: none of
    omc's business."""
    url: str | None
    """Where users reach it; None: over HTTPS the name in the load balancer's certificate, else its own over HTTP."""
    time_zone: str
    """Where the people are: times are shown in it and in UTC."""
    services: tuple[Service, ...]
    thresholds: Thresholds
    windows: tuple[MaintenanceWindow, ...] = ()
    """For maintenance; none: at any time."""
    release_watch_seconds: int = 420
    """How long a release is watched before it counts as good. A load balancer's figures come by the minute, and one or
    two minutes late: in seven minutes at least three whole ones are seen."""
    incident_watch_seconds: int = 840
    """The same for a release meant as a fix: users are served badly, an incident is open, its image was rolled back."""
    settle_seconds: int = 90
    """How long new tasks must stay well before a restart, a scaling or a rollback counts as done: three checks of the
    load balancer, thirty seconds apart (unhealthy_threshold and interval of the Terraform's target groups)."""
    backups: BackupsTable = BACKUPS
    freezes: tuple[Freeze, ...] = ()
    approvals: ApprovalPolicy = LOCAL_POLICY
    people: People = NO_PEOPLE
    github: GitHubSettings = ANY_REPOSITORY
    probe: bool = True
    """Whether omc asks for pages as users do. Not where it runs outside of the network that may."""
    review: ReviewTable = REVIEW
    doors: DoorsTable = DOORS
    monthly_budget_usd: float | None = None
    """None: what AWS Budgets says counts."""
    has_load_balancer: bool = True
    database_cluster: str | None = None
    """An Aurora cluster, or a Multi-AZ DB cluster, in place of ``database``."""
    cache_serverless: str | None = None
    """A serverless cache, in place of ``cache``."""
    terraform: Path = ROOTS / LOCAL_ROOT
    """The root of Terraform that makes it: an absolute path once the stack file is read."""
    has_terraform: bool = True
    """Whether omc knows of any: omc.toml names a state or a root, or the usual folder is there. Else nothing that omc
    says speaks of Terraform."""
    jobs: tuple[Job, ...] = ()
    runbook: RunbookTable = OMCS_RUNBOOK

    @property
    def is_local(self) -> bool:
        return self.local_state is not None

    @property
    def clusters(self) -> tuple[str, ...]:
        """Every ECS cluster of its services and jobs, its own first."""
        of_services, of_jobs = (each.cluster for each in self.services), (each.cluster for each in self.jobs)
        return tuple(dict.fromkeys((self.cluster, *of_services, *of_jobs)))

    def service_named(self, name: str) -> Service | None:
        """The service by omc's own word for it; None where the environment has none of that name."""
        return next((each for each in self.services if each.name == name), None)

    def in_ecs(self, name: str) -> tuple[str, str]:
        """Cluster and name by which ECS knows a service; one that isn't the stack file's is called so by ECS too."""
        service = self.service_named(name)
        return (service.cluster, service.ecs_service) if service else (self.cluster, name)

    def called(self, name: str) -> str:
        """A service for people, with ECS's name where that is another."""
        ecs_service = self.in_ecs(name)[1]
        return name if ecs_service == name else f"{name} ({ecs_service} in ECS)"

    def shares_group(self, name: str, group: str) -> bool:
        """Whether tasks of other services are in this target group of a service's (by the group's name)."""
        return any(group in each.target_groups for each in self.services if each.name != name)

    def service_in(self, cluster: str, ecs_service: str) -> Service | None:
        """The service by the names that ECS has for it; None where it isn't the stack file's."""
        return next((e for e in self.services if (e.cluster, e.ecs_service) == (cluster, ecs_service)), None)

    @property
    def is_guarded(self) -> bool:
        """Whether a door there wants a reason and tells the channel: production, and whatever is treated like it."""
        is_production = not self.is_local and self.name != "staging"
        return is_production or self.approvals.type_name

    @property
    def own_root(self) -> Path | None:
        """The root of Terraform where it isn't the usual folder of the project; None where it is."""
        usual = ROOTS / (LOCAL_ROOT if self.is_local else self.name)
        return None if self.terraform.match(str(usual)) else self.terraform

    @property
    def has_usual_root(self) -> bool:
        """Whether the usual folder has its Terraform, of whose modules omc knows what they make."""
        return self.has_terraform and self.own_root is None

    def nobody_to_approve(self, risk: str) -> str:
        """Why nobody that omc.toml knows could approve a plan of this risk, and what to set; empty where somebody can.

        Without ``[people]`` nothing is known of who there is: any other name of AWS or GitHub is another person.
        """
        needed, known = self.approvals.needed(risk), self.people.names
        if not known or needed <= len(known) - 1:
            return ""
        others = "one other person" if needed == 1 else f"{needed} other people"
        there = f"nobody but {known[0]}" if len(known) == 1 else f"only {', '.join(known)}"
        return (
            f"A plan of {risk} risk needs {others} to approve it, and [people] names {there}. If nobody else works on "
            f"{self.name}, set {risk} = {len(known) - 1} in [approvals.{self.name}]; else name them in [people]."
        )

    def window_at(self, now: datetime) -> Occurrence | None:
        """The maintenance window that is open at ``now``, or else the next; None where there are none."""
        return open_or_next(self.windows, now)

    def state_in(self, account: str) -> tuple[str, str]:
        """Bucket and key of Terraform's state in this account; both empty where omc.toml wants none read."""
        bucket, _, key = self.terraform_state.replace("{account}", account).removeprefix("s3://").partition("/")
        return bucket, key


@dataclass(frozen=True, slots=True)
class Stack:
    """All of one omc.toml."""

    file: Path
    name: str
    time_zone: str
    default_environment: str | None
    environments: Mapping[str, Environment]
    on_call: OnCall
    channels: Channels
    store: StoreSettings = OWN_STORE
    alerts: AlertsTable = ALERTS
    logs: LogsTable = LOGS
    maintenance: MaintenanceTable = MAINTENANCE
    notify: NotifySettings = DEFAULT_NOTIFY
    server: ServerSettings = DEFAULT_SERVER
    persons: Mapping[str, Person] = field(default_factory=dict)
    """Those of ``[people]``, by the table's name."""
    rotas: Mapping[str, RotaTable] = field(default_factory=dict)
    """Those of ``[rotas]``, as they are written; ``omc.oncall`` says what they come to."""
    github: GitHubSettings = ANY_REPOSITORY
    status: StatusTable = DEFAULT_STATUS
    contacts: Mapping[str, ContactTable] = field(default_factory=dict)
    """Those of ``[contacts]``, in the file's order."""
    runbook: RunbookTable = OMCS_RUNBOOK
