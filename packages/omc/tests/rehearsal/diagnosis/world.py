"""A stack as plain values, healthy under some load, with what a fault brings about in it: answers, targets, figures,
lines of logs, stopped tasks. It knows how such a stack behaves and nothing of how omc judges it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from omc.aws.http_get import Trouble
from omc.config import Environment, load
from omc.facts.alarms import Alarm, Alarms
from omc.facts.collector import Reading
from omc.facts.data_age import DataAge, read_data_age
from omc.facts.dependencies import Dependencies, read_dependencies
from omc.facts.deviations import Deviations, counts_below, deviations
from omc.facts.expected import Expected, Thing
from omc.facts.followup.balancer_settings import BalancerSettings
from omc.facts.followup.data_stores import DataStores, Store
from omc.facts.followup.database_log import DatabaseLog
from omc.facts.followup.gauges import Gauges
from omc.facts.followup.group_rules import GroupRules, Rule
from omc.facts.followup.last_words import LastWords, RevisionDetails
from omc.facts.followup.last_writes import LastWrites, Write
from omc.facts.followup.lock_waits import DatabaseLoad
from omc.facts.followup.network_acls import AclRule, NetworkAcls, SubnetAcl
from omc.facts.followup.rejects import Rejects
from omc.facts.found import Found
from omc.facts.listeners import Action, Condition, Listener, Listeners
from omc.facts.listeners import Rule as ListenerRule
from omc.facts.load_balancers import (
    GroupHealth,
    LoadBalancer,
    LoadBalancers,
    Target,
    TargetGroup,
    TargetGroups,
    TargetHealth,
)
from omc.facts.logs import ErrorGroup, RecentErrors
from omc.facts.pending import Pending
from omc.facts.probes import Answer, ProbeRequest, Probes, Source
from omc.facts.requests import Requests
from omc.facts.scaling import ScalableTarget, Scaling
from omc.facts.secrets import Secret, SecretsInUse, SecretUse
from omc.facts.services import Deployment, EcsService, Event, Services
from omc.facts.tasks import Container, StoppedTask, StoppedTasks
from omc.facts.traffic import CacheMinute, MetricsAge, Minute, ServiceMetric, Traffic

ROOT = Path(__file__).parents[5]
STAGING = load(ROOT / "omc.toml").environments["staging"]
MINUTE = timedelta(minutes=1)
SEEN_BY_BALANCER = timedelta(seconds=90)
"""Three health checks, 30 s apart: so long a target that fails is still called healthy."""
REPLACED = timedelta(minutes=3)
"""After this ECS has stopped the first tasks that failed the load balancer's health checks."""
ALARMED = timedelta(minutes=4)
"""Three bad minutes of figures, and their delay: from then on an alarm rings."""
FIGURES = timedelta(minutes=2)
"""How late CloudWatch has the load balancer's figures."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One stack: its names, and who serves whom."""

    name: str
    environment: str
    api: tuple[str, ...]
    """Services that need the database, the cache and the exchange."""
    web: tuple[str, ...]
    """Services that need nothing."""
    exchange: str
    ready_needs_stores: bool
    """Whether the load balancer's health check asks for the database too."""
    network: str
    """The first two numbers of its addresses."""


KINDS = (
    Kind("ohmycoins", "staging", ("backend",), ("frontend",), "exchange", True, "10.0"),
    Kind("shop", "production", ("orders", "catalogue"), ("storefront",), "payments", True, "10.40"),
    Kind("ledger", "production", ("api",), ("site",), "rates", False, "172.31"),
)


def environment_of(kind: Kind) -> Environment:
    """As omc.toml would have it."""
    prefix = f"{kind.name}-{kind.environment}"
    model = {"api": STAGING.services[0], "web": STAGING.services[1]}
    services = []
    for of, names in (("api", kind.api), ("web", kind.web)):
        for name in names:
            path = "/" if of == "web" else f"/{name}/list"
            status = f"/{name}/status" if of == "api" else model[of].status_path
            made = replace(
                model[of],
                name=name,
                ecs_service=name,
                cluster=prefix,
                target_groups=(f"{prefix}-{name}"[:32],),
                log_group=f"/ecs/{prefix}/{name}",
                public_path=path,
                status_path=status,
            )
            services.append(made)
    return replace(
        STAGING,
        name=kind.environment,
        prefix=prefix,
        cluster=prefix,
        database=prefix,
        cache=f"{prefix}-redis",
        alarm_prefix=f"{prefix}-",
        services=tuple(services),
    )


@dataclass
class ServiceState:
    """One service as it is now."""

    name: str
    family: str
    port: int
    is_api: bool
    desired: int
    running: int
    revision: int
    deployed: datetime
    pending: int = 0
    rollout: str = "COMPLETED"
    failed: int = 0
    old: int = 0
    """Tasks of the revision before that still run, while a deployment goes on."""
    new: int | None = None
    """Tasks of the new revision; None: all that run."""
    events: list[Event] = field(default_factory=list)
    answers: Answer = field(default_factory=lambda: Answer(200, "OK", seconds=0.05))
    share: float = 0.0
    """Of users' requests that get ``answers`` and not a good one."""
    bad_since: datetime | None = None
    """Since when users get them, where those are 5xx."""
    targets: list[Target] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=dict)
    """What the status page says of dependencies that aren't well."""
    status_share: float = 1.0
    """The share of the page's answers that say so."""
    age: float = 30.0
    """Seconds of its data."""
    is_silent: bool = False
    """No request of any kind is answered."""
    slow: float = 0.0
    """Seconds that each answer takes beyond the usual."""

    @property
    def definition(self) -> str:
        return f"{self.family}:{self.revision}"

    @property
    def before(self) -> str:
        return f"{self.family}:{self.revision - 1}"


class World:
    """A stack, its moment, and all that can be read of it."""

    def __init__(self, kind: Kind, random: Random, *, busy: float = 1.0) -> None:
        """``busy``: times the usual load."""
        self.kind, self.random, self.busy = kind, random, busy
        self.environment = environment_of(kind)
        self.now = datetime(
            2026, 11, random.randint(2, 27), random.randint(0, 23), random.randint(0, 59), 30, tzinfo=UTC
        )
        self.who = random.choice(("jo (role admin)", "sam", "ci-deploy (role deploy)", "kim (role operator)"))
        prefix, self.arn = self.environment.prefix, f"arn:aws:elasticloadbalancing:{STAGING.region}:100000000000"
        self.services: dict[str, ServiceState] = {}
        for service in self.environment.services:
            desired = random.randint(2, 4)
            self.services[service.name] = ServiceState(
                service.name,
                f"{prefix}-{service.name}",
                service.port or 0,
                service.name in kind.api,
                desired,
                desired,
                random.randint(5, 90),
                self.ago(hours=random.randint(3, 300)),
            )
        self.database_host, self.cache_host = f"{kind.network}.21.5", f"{kind.network}.22.9"
        self.stopped: list[StoppedTask] = []
        self.lines: dict[str, tuple[str, ...]] = {}
        self.details: dict[str, RevisionDetails] = {}
        for each in self.services.values():
            for definition in (each.definition, each.before):
                self.details[definition] = RevisionDetails(
                    {each.name: 512}, 1024, {each.name: f"reg.example.com/{each.name}:{definition.rpartition(':')[2]}"},
                    {}, {each.name: self.variables()} if each.is_api else {},
                )  # fmt: skip
        self.errors: list[ErrorGroup] = []
        self.writes: list[Write] = []
        self.alarms: dict[str, tuple[tuple[str, ...], datetime | None]] = self._alarms()
        self.database = Store(
            self.environment.database, True, "available", self.database_host, 5432, ("sg-database",), "db-1",
            subnets=("subnet-data",),
        )  # fmt: skip
        self.cache = Store(
            self.environment.cache, True, "available", self.cache_host, 6379, ("sg-cache",),
            members={f"{self.environment.cache}-001": "available", f"{self.environment.cache}-002": "available"},
            size="cache.t4g.small", subnets=("subnet-data",),
        )  # fmt: skip
        self.used, self.most = 6.0 + 4 * random.randint(1, 5), float(random.choice((80, 112, 225)))
        self.load = DatabaseLoad(
            counters={"db.User.numbackends": self.used, "db.User.max_connections": self.most},
            newest=self.ago(seconds=random.randint(5, 50)),
        )
        self.database_log = DatabaseLog()
        self.database_gauges = {
            "CPUUtilization": self.series(15.0 + min(60.0, 6 * busy)),
            "FreeStorageSpace": self.series(9e9),
            "DatabaseConnections": self.series(self.used),
            "MaximumUsedTransactionIDs": self.series(4.1e7),
        }
        self.cache_gauges = {
            "DatabaseMemoryUsagePercentage": self.series(35.0),
            "Evictions": self.series(0.0),
            "CurrConnections": self.series(12.0),
        }
        self.items = [float(random.randint(300, 9000))] * 30
        self.rules = self._rules()
        self.acl_rules: dict[str, tuple[AclRule, ...]] = {"acl-app": _OPEN, "acl-data": _OPEN, "acl-public": _OPEN}
        self.rejects: list[Any] = []
        self.secret_changes: dict[str, Any] = {}
        self.listener_rules = self._listener_rules()
        self.has_listener = True
        self.things = list(self._things())
        self.scaling = {
            name: ScalableTarget(name, 2, 10, suspended=False, policies=(f"{prefix}-{name}-cpu",))
            for name in self.services
        }
        self.wanting: list[str] = []
        """Services of which target tracking's own alarm asks for more tasks, as Application Auto Scaling names them."""
        self.unread: dict[type, str] = {}
        self.bad_gateways = self.series(0.0)
        """The load balancer's own 502, by the minute."""
        self.knows_state = True
        """Whether the Terraform's state can be read."""
        self.nobody_in: Trouble | None = None
        self.requests_a_minute = 60.0 * busy
        self.surges: dict[str, tuple[datetime, float]] = {}
        """By service: since when it gets so many times its requests."""

    # -- times and figures

    def ago(self, **length: float) -> datetime:
        return self.now - timedelta(**length)

    def series(self, *values: float) -> tuple[tuple[datetime, float], ...]:
        """Minutes up to the newest; one value: all of 30."""
        some = list(values) * 30 if len(values) == 1 else [values[0]] * (30 - len(values)) + list(values)
        begin = self.now.replace(second=0) - timedelta(minutes=len(some))
        return tuple((begin + number * MINUTE, value) for number, value in enumerate(some))

    def lasting(self, usual: float, since: datetime, value: float) -> tuple[tuple[datetime, float], ...]:
        """``value`` from a moment on."""
        return tuple((at, value if at + MINUTE > since else usual) for at, _ in self.series(usual))

    def variables(self, **more: str) -> dict[str, str]:
        return {"POSTGRES_SERVER": self.database_host, "POSTGRES_PORT": "5432", "REDIS_HOST": self.cache_host} | more

    @property
    def apis(self) -> list[ServiceState]:
        return [each for each in self.services.values() if each.is_api]

    @property
    def webs(self) -> list[ServiceState]:
        return [each for each in self.services.values() if not each.is_api]

    # -- what a fault brings about

    def say(self, service: ServiceState, line: str, since: datetime, *, until: datetime | None = None) -> None:
        """An error line of a service, again and again."""
        group = next(each.log_group for each in self.environment.services if each.name == service.name)
        last = until or self.ago(seconds=self.random.randint(1, 12))
        count = max(2, int((last - since).total_seconds() / 60 * 12 * self.busy))
        first = min(since + timedelta(seconds=2), last)
        streams = max(1, service.running)
        self.errors.append(ErrorGroup(group, line, count, first, last, line, streams, first))

    def lose(
        self,
        kind: str,
        line: str,
        since: datetime,
        services: Iterable[ServiceState] | None = None,
        *,
        share: float = 1.0,
    ) -> None:
        """Services have no database, or no cache, any more."""
        word = self.random.choice(("unavailable", "down", "error"))
        for service in services if services is not None else self.apis:
            self.say(service, line, since)
            service.status[kind] = word
            service.status_share = min(service.status_share, share)
            if kind == "database":
                self.fail(service, since, share=share)
                age = (self.now - since).total_seconds()
                service.age = max(service.age, age) if share == 1 else service.age
                if self.kind.ready_needs_stores and share == 1:
                    self.sicken(service, since, words=line)

    def fail(self, service: ServiceState, since: datetime, *, share: float = 1.0, answer: Answer | None = None) -> None:
        """Users of a service get 5xx, or nothing."""
        service.answers = answer or Answer(self.random.choice((500, 503)), "", seconds=0.4)
        service.share = max(service.share, share)
        if service.answers.status >= 500:
            service.bad_since = min(filter(None, (service.bad_since, since)))

    def sicken(
        self,
        service: ServiceState,
        since: datetime,
        *,
        words: str = "",
        reason: str = "codes",
        how_many: int | None = None,
    ) -> None:
        """Its tasks fail the load balancer's health checks; in the end ECS replaces them."""
        if self.now - since < SEEN_BY_BALANCER:
            return
        told = {
            "codes": ("Target.ResponseCodeMismatch", "Health checks failed with these codes: [503]"),
            "timeout": ("Target.Timeout", "Request timed out"),
        }[reason]
        number = service.running if how_many is None else how_many
        service.targets = [
            self.target(service, at, *(("unhealthy", *told) if at < number else ("healthy", "", "")))
            for at in range(service.running)
        ]
        if number == service.running and self.now - since >= SEEN_BY_BALANCER:
            self.no_target(service, since + SEEN_BY_BALANCER)
        if self.now - since >= REPLACED:
            text = f"(reason {told[1]})"
            for at in range(min(4, 1 + int((self.now - since) / REPLACED))):
                ended = self.now - timedelta(seconds=25) - at * timedelta(seconds=150)
                if ended < since + SEEN_BY_BALANCER:
                    break
                self.stop(
                    service,
                    ended,
                    f"Task failed ELB health checks in (target-group {service.name}) due to {text}",
                    "ServiceSchedulerInitiated",
                    code=143,
                    started=ended - timedelta(seconds=140),
                    words=(words,) if words else (),
                )
            service.running = max(0, service.desired - 1)
            service.pending = 1
            service.targets = service.targets[: max(1, service.running)]

    def no_target(self, service: ServiceState, since: datetime) -> None:
        """No target of it takes requests; a load balancer whose targets are all ill asks them all the same."""
        if service.share < 1:
            self.fail(service, since, answer=Answer(503, "Service Unavailable", by_balancer=True, seconds=0.01))

    def target(
        self, service: ServiceState, number: int, state: str = "healthy", reason: str = "", text: str = ""
    ) -> Target:
        return Target(f"{self.kind.network}.11.{10 + number}", service.port, state, reason, text)

    def stop(
        self,
        service: ServiceState,
        at: datetime,
        reason: str,
        code_name: str = "EssentialContainerExited",
        *,
        code: int | None = 1,
        why: str = "",
        started: datetime | None = None,
        words: Sequence[str] = (),
        revision: int | None = None,
    ) -> StoppedTask:
        """One of its tasks stopped."""
        number = len(self.stopped) + 1
        task = StoppedTask(
            f"{number:032x}",
            service.name,
            f"{service.family}:{revision or service.revision}",
            code_name,
            reason,
            (Container(service.name, code, why),),
            started,
            at,
        )
        self.stopped.append(task)
        if words:
            self.lines[task.id] = tuple(words)
        return task

    def deploy(self, service: ServiceState, since: datetime, *, done: bool = False, new: int = 0) -> None:
        """A new revision, that is rolled out since then; ``new`` of its tasks run beside all old ones."""
        service.revision += 1
        service.deployed = since
        self.details[service.definition] = replace(
            self.details[service.before],
            images={service.name: f"reg.example.com/{service.name}:{service.revision}"},
        )
        if done:
            return
        service.rollout, service.new, service.old = "IN_PROGRESS", new, service.desired
        service.running = service.desired + new
        service.pending = 0 if new else 1
        self.write("UpdateService", since, service.name, service.definition)

    def write(self, operation: str, at: datetime, *names: str, who: str = "") -> None:
        """A call, as CloudTrail has it; it tells of none that is newer than some minutes."""
        if self.now - at > timedelta(minutes=2):
            self.writes.append(Write(at, operation, who or self.who, frozenset(name.lower() for name in names)))

    def ring(self, name: str, since: datetime) -> None:
        """An alarm rings, if what it watches has been bad for long enough."""
        if self.now - since >= ALARMED:
            self.alarms[name] = (self.alarms[name][0], since + ALARMED)

    # -- as facts

    def facts(self) -> dict[type, Any]:
        """Everything that could be read, by type."""
        probes = self._probes()
        services = Services(tuple(self._service(each) for each in self.services.values()))
        wanted, found = self._found()
        state = Found(tuple(wanted), tuple(found))
        groups = tuple(self._group(each) for each in self.services.values() if self._has_group(each))
        arn = f"{self.arn}:loadbalancer/app/x/1"
        balancers = LoadBalancers(
            (LoadBalancer(self.environment.prefix, "app/x/1", "x.elb.example", "active", "", arn),),
            {self.environment.prefix: {"SecurityGroups": ["sg-balancer"]}},
        )
        self._ring_by_figures()
        values: list[Any] = [
            probes,
            read_dependencies(probes),
            read_data_age(replace(probes, reading=Reading(self.now))),
            services,
            StoppedTasks(tuple(sorted(self.stopped, key=lambda task: task.stopped, reverse=True))),
            balancers,
            TargetGroups(groups),
            TargetHealth(tuple(GroupHealth(group, self._targets(group)) for group in groups)),
            self._listeners(arn),
            Expected(tuple(wanted), self.ago(days=1) if self.knows_state else None, is_none=not self.knows_state),
            state,
            Deviations(deviations(state), counts_below(state, services, self.environment)),
            Alarms(tuple(self._alarm(name, *each) for name, each in self.alarms.items()), wanting=tuple(self.wanting)),
            Scaling(tuple(self.scaling.values())),
            Traffic(self._traffic()),
            self._metrics(),
            Requests({group.arn: self._steps(group.arn) for group in groups}),
            RecentErrors(tuple(self.errors), matched=len(self.errors), scanned=int(900 * self.busy)),
            Pending((), (), {"DBInstanceStatus": "available"}, {"Status": "available"}),
            self._secrets(),
            DataStores(self.database, self.cache),
            Gauges(self.database_gauges, self.cache_gauges),
            BalancerSettings({f"{self.environment.prefix}": 60.0}, bad_gateways=self.bad_gateways),
            GroupRules(tuple(self.rules), self._groups()),
            LastWords(self.lines, self.details),
            LastWrites(tuple(sorted(self.writes, key=lambda each: each.at, reverse=True))),
            self.load,
            self.database_log,
            self._acls(),
            Rejects(tuple(self.rejects), "/vpc/flow"),
        ]
        return {type(value): value for value in values}

    def _service(self, state: ServiceState) -> EcsService:
        new = state.running if state.new is None else state.new
        primary = Deployment(
            "ecs-svc/2", "PRIMARY", state.rollout, "", state.desired, new, state.pending, state.failed,
            state.definition, state.deployed, state.deployed,
        )  # fmt: skip
        some = [primary]
        if state.old:
            before = self.ago(days=9)
            some.append(
                replace(primary, id="ecs-svc/1", status="ACTIVE", rollout="COMPLETED", running=state.old, pending=0,
                        failed=0, task_definition=state.before, created=before, updated=before)
            )  # fmt: skip
        network = {"securityGroups": [f"sg-{state.name}"], "subnets": ["subnet-app"]}
        return EcsService(
            state.name, "ACTIVE", state.desired, state.running, state.pending, state.definition, tuple(some),
            tuple(sorted(state.events, key=lambda event: event.at, reverse=True)),
            network={"awsvpcConfiguration": network}, breaker=True, target_groups=(self.group_arn(state.name),),
        )  # fmt: skip

    def group_arn(self, name: str) -> str:
        return f"{self.arn}:targetgroup/{self._group_name(name)}/4d"

    def _group_name(self, service: str) -> str:
        return next(each.target_groups[0] for each in self.environment.services if each.name == service)

    def _has_group(self, state: ServiceState) -> bool:
        return not any(self._is_gone(thing, state.name) for thing in self._gone)

    @property
    def _gone(self) -> list[Thing]:
        return [wanted for wanted, found in self.things if found is None]

    def _is_gone(self, thing: Thing, service: str) -> bool:
        return thing.type == "aws_lb_target_group" and thing.values["name"] == self._group_name(service)

    def _group(self, state: ServiceState) -> TargetGroup:
        arn = self.group_arn(state.name)
        is_used = self.has_listener and any(arn in dict(rule.action.groups) for rule in self.listener_rules)
        return TargetGroup(
            self._group_name(state.name), arn, is_used, (f"{self.arn}:loadbalancer/app/x/1",) if is_used else ()
        )

    def _targets(self, group: TargetGroup) -> tuple[Target, ...]:
        state = next(each for each in self.services.values() if self.group_arn(each.name) == group.arn)
        if state.targets:
            return tuple(each for each in state.targets if each.state != "gone")
        return tuple(self.target(state, number) for number in range(state.running))

    def _probes(self) -> Probes:
        base = "http://x.elb.example"
        requests: list[ProbeRequest] = []
        for service in self.environment.services:
            state = self.services[service.name]
            for path, source in ((service.public_path, Source.PUBLIC), (service.status_path, Source.STATUS)):
                if not path:
                    continue
                answers = tuple(self._answer(state, source, at / 4) for at in range(4))
                requests.append(ProbeRequest(service.name, f"{base}{path}", source, answers, **self._led(state)))
        return Probes(tuple(requests), {}, base)

    def _led(self, state: ServiceState) -> dict[str, Any]:
        """Where the load balancer's rules lead it, where that is somewhere else."""
        arn = self.group_arn(state.name)
        if not self.has_listener or any(arn in dict(rule.action.groups) for rule in self.listener_rules):
            return {}
        other = next((each for each in self.webs if each is not state), state)
        return {"leads_to": (self._group_name(other.name),), "is_led_astray": True}

    def _answer(self, state: ServiceState, source: Source, at: float) -> Answer:
        if self.nobody_in is not None:
            return Answer(trouble=self.nobody_in, problem="no answer", seconds=5.0)
        is_hit = at < state.share
        unanswered = state.answers.trouble is not None or state.answers.by_balancer or state.answers.status == 404
        if is_hit and (source is Source.PUBLIC or unanswered or state.is_silent):
            return state.answers
        seconds = 0.05 + state.slow
        if source is not Source.STATUS:
            return Answer(200, "OK", seconds=seconds)
        parts: dict[str, Any] = {"database": "ok", "cache": "ok", self.kind.exchange: "ok"}
        if at < state.status_share:
            parts |= state.status
        return Answer(200, "OK", seconds=seconds, payload={"dependencies": parts, "data_age_seconds": state.age})

    def _traffic(self) -> tuple[Minute, ...]:
        """An hour, up to what CloudWatch has. Nobody gets in: no request is counted."""
        found = []
        newest = self.now.replace(second=0) - FIGURES
        for number in range(60):
            at = newest - (59 - number) * MINUTE
            is_out = self.nobody_in is not None and self.outside_since is not None and at + MINUTE > self.outside_since
            if is_out:
                continue
            share = 0.001
            for state in self.services.values():
                if state.bad_since and at + MINUTE > state.bad_since:
                    share += state.share / len(self.services)
            total = float(int(self.requests_a_minute))
            found.append(Minute(at, total, float(int(total * min(1.0, share)))))
        return tuple(found)

    outside_since: datetime | None = None
    """Since when nobody gets in."""

    def _steps(self, group: str) -> dict[datetime, float]:
        """Of the last two hours and a half."""
        since, times = self.surges.get(
            next(each for each in self.services if self.group_arn(each) == group), (None, 1.0)
        )
        step = timedelta(minutes=5)
        begin = self.now.replace(minute=self.now.minute - self.now.minute % 5, second=0)
        gone = self.outside_since or self.now
        steps = [begin - n * step for n in range(1, 30) if begin - n * step < gone]
        usual = self.requests_a_minute * 2.5
        return {at: usual * times if since and at + step > since else usual for at in steps}

    def _metrics(self) -> MetricsAge:
        newest = self.now.replace(second=0) - MINUTE
        minutes = tuple(
            CacheMinute(newest - (len(self.items) - 1 - number) * MINUTE, value, value, 0.0)
            for number, value in enumerate(self.items)
        )
        return MetricsAge(tuple(ServiceMetric(name, newest) for name in self.services), minutes)

    def _alarms(self) -> dict[str, tuple[tuple[str, ...], datetime | None]]:
        prefix = self.environment.prefix
        some: dict[str, tuple[tuple[str, ...], datetime | None]] = {
            f"{prefix}-alb-5xx-percent": (("app/x/1",), None),
            f"{prefix}-rds-connections-high": ((self.environment.database,), None),
            f"{prefix}-rds-cpu-high": ((self.environment.database,), None),
            f"{prefix}-redis-hit-rate-low": ((f"{self.environment.cache}-001",), None),
        }
        for service in self.environment.services:
            some[f"{prefix}-{service.name}-unhealthy"] = (
                (f"targetgroup/{service.target_groups[0]}/4d", "app/x/1"),
                None,
            )
        return some

    def _ring_by_figures(self) -> None:
        prefix = self.environment.prefix
        for state in self.services.values():
            if state.bad_since and state.share / len(self.services) > 0.05 and self.nobody_in is None:
                self.ring(f"{prefix}-alb-5xx-percent", state.bad_since)
            ill = [each for each in state.targets if each.state == "unhealthy"]
            if ill and state.bad_since:
                self.ring(f"{prefix}-{state.name}-unhealthy", state.bad_since)

    def _alarm(self, name: str, dimensions: tuple[str, ...], since: datetime | None) -> Alarm:
        state = "ALARM" if since else "OK"
        return Alarm(
            name, f"arn:alarm:{name}", "metric", state, since or self.ago(days=3), "Threshold crossed", True, "",
            dimensions=dimensions, actions=("arn:topic",),
        )  # fmt: skip

    def _rules(self) -> list[Rule]:
        found = [
            Rule("sg-balancer", False, "tcp", 80, 80, cidr="0.0.0.0/0"),
            Rule("sg-balancer", True, "-1", -1, -1, cidr="0.0.0.0/0"),
        ]
        for state in self.services.values():
            found.append(Rule(f"sg-{state.name}", False, "tcp", state.port, state.port, peer="sg-balancer"))
            for name, port in (("database", 5432), ("cache", 6379)) if state.is_api else ():
                found.append(Rule(f"sg-{state.name}", True, "tcp", port, port, peer=f"sg-{name}"))
                found.append(Rule(f"sg-{name}", False, "tcp", port, port, peer=f"sg-{state.name}"))
        return found

    def _groups(self) -> tuple[str, ...]:
        return ("sg-balancer", "sg-database", "sg-cache", *(f"sg-{name}" for name in self.services))

    def _acls(self) -> NetworkAcls:
        network = self.kind.network
        subnets = {
            f"subnet-{name}": SubnetAcl(f"subnet-{name}", f"{network}.{number}.0/24", f"acl-{name}")
            for name, number in (("app", 11), ("data", 21), ("public", 1))
        }
        data = ("subnet-data",)
        return NetworkAcls(self.acl_rules, subnets, data, data, ("subnet-public",))

    def _listener_rules(self) -> list[ListenerRule]:
        found = [
            ListenerRule(
                str(10 + number),
                (Condition("path-pattern", (f"/{state.name}/*",)),),
                Action("forward", ((self.group_arn(state.name), 1),)),
            )
            for number, state in enumerate(self.apis)
        ]
        return [*found, ListenerRule("default", (), Action("forward", ((self.group_arn(self.webs[0].name), 1),)))]

    def _listeners(self, balancer: str) -> Listeners:
        listener = Listener(balancer, "HTTP", 80, tuple(self.listener_rules))
        record = {
            "ListenerArn": f"{self.arn}:listener/app/x/1/2",
            "Rules": [{"RuleArn": self.rule_arn(rule.priority)} for rule in self.listener_rules],
        }
        return Listeners((listener,), records=(record,)) if self.has_listener else Listeners(())

    def rule_arn(self, priority: str) -> str:
        return f"{self.arn}:listener-rule/app/x/1/2/{priority}"

    def _secrets(self) -> SecretsInUse:
        name = f"{self.environment.prefix}/database-user"
        arn = f"arn:aws:secretsmanager:x:1:secret:{name}"
        started = self.ago(hours=2)
        uses = tuple(
            SecretUse(each.name, f"t-{each.name}", each.definition, "POSTGRES_PASSWORD", started, started)
            for each in self.apis
        )
        return SecretsInUse({arn: Secret(name, current="v2", former="v1", **self.secret_changes)}, {arn: uses})

    def _things(self) -> Iterable[tuple[Thing, Thing | None]]:
        """What the Terraform made of what matters to users, each as it should be and as it is."""
        prefix, arn = self.environment.prefix, self.arn
        listener = f"{arn}:listener/app/x/1/2"
        wanted = [Thing("aws_ecs_cluster", {"name": prefix}), Thing("aws_lb", {"name": prefix})]
        default = self.listener_rules[-1]
        wanted.append(
            Thing(
                "aws_lb_listener",
                {"arn": listener, "load_balancer_arn": f"{arn}:loadbalancer/app/x/1", "port": 80, "protocol": "HTTP",
                 "default_action": [_forward(default)]},
            )
        )  # fmt: skip
        for rule in self.listener_rules[:-1]:
            condition = [{"path_pattern": [{"values": list(rule.conditions[0].values)}], "host_header": []}]
            values = {"arn": self.rule_arn(rule.priority), "listener_arn": listener, "_port": 80,
                      "priority": int(rule.priority), "action": [_forward(rule)], "condition": condition}  # fmt: skip
            wanted.append(Thing("aws_lb_listener_rule", values))
        for service in self.environment.services:
            wanted.append(
                Thing(
                    "aws_appautoscaling_target",
                    {"resource_id": f"service/{prefix}/{service.name}", "min_capacity": 2, "max_capacity": 10},
                )
            )
            wanted.append(Thing("aws_ecs_service", {"name": service.name, "cluster": prefix}))
            check = {"protocol": "HTTP", "path": "/health/ready", "port": "traffic-port", "matcher": "200"}
            wanted.append(
                Thing(
                    "aws_lb_target_group",
                    {
                        "name": service.target_groups[0],
                        "port": service.port,
                        "protocol": "HTTP",
                        "health_check": [check],
                    },
                )
            )
        return [(thing, thing) for thing in wanted]

    def change(self, kind: str, name: str, found: dict[str, Any] | None) -> None:
        """A thing is as it shouldn't be (``found``: its values that differ), or is gone (None)."""
        for number, (wanted, _) in enumerate(self.things):
            if wanted.type == kind and name in str(wanted.values):
                there = None if found is None else Thing(kind, {**wanted.values, **found})
                self.things[number] = (wanted, there)
                return
        raise LookupError(f"{kind} {name}")

    def _found(self) -> tuple[list[Thing], list[Thing]]:
        if not self.knows_state:
            return [], []
        return [wanted for wanted, _ in self.things], [found for _, found in self.things if found is not None]


def _forward(rule: ListenerRule) -> dict[str, Any]:
    return {"type": "forward", "order": 1, "target_group_arn": rule.action.groups[0][0]}


_OPEN = (
    AclRule(100, False, True, "-1", "0.0.0.0/0"),
    AclRule(32767, False, False, "-1", "0.0.0.0/0"),
    AclRule(100, True, True, "-1", "0.0.0.0/0"),
    AclRule(32767, True, False, "-1", "0.0.0.0/0"),
)


def denying(number: int, cidr: str, port: int, *, egress: bool = False, answers: bool = False) -> tuple[AclRule, ...]:
    """An open network ACL with one rule that denies."""
    first, last = (1024, 65535) if answers else (port, port)
    return (AclRule(number, egress, False, "6", cidr, first, last), *_OPEN)


__all__ = ["DataAge", "Dependencies", "ServiceState", "World", "denying", "environment_of"]
