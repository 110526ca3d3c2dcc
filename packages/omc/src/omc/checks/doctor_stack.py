"""The stack itself, as far as procedures depend on it: who hears an alarm, the entrance, ECS Exec, logs, quotas."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import timedelta
from fnmatch import fnmatchcase

from omc.checks.doctor_finding import by_terraform, finding, listed
from omc.checks.finding import Finding, Level
from omc.checks.runbook import FIRST_DAY
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.alarm_paths import AlarmPaths, Subscription
from omc.facts.alarms import Alarms
from omc.facts.entrance import Certificate, Entrance
from omc.facts.exec_agents import ExecAgents, TaskAgent
from omc.facts.log_groups import OS_METRICS, LogGroups
from omc.facts.quotas import Quotas
from omc.facts.scope import Scope
from omc.facts.services import Services
from omc.facts.subnets import Subnets
from omc.output.text import counted, verb
from omc.times import format_time

PEOPLE = frozenset({"email", "email-json", "sms", "https", "http", "application"})
"""Protocols that end at a person, or at a service that pages one."""
WITH_TOPICS = ", which gives each alarm its topic"
BY_LOGS = "Correct it: aws logs create-log-group, put-retention-policy, associate-kms-key"
EXPIRES_SOON = timedelta(days=30)
"""ACM renews sixty days before the end; a certificate this close to its end wasn't renewed."""


@check(
    "alarm-actions",
    title="Alarms",
    question="Does every alarm of the environment have an action that is switched on?",
    severity=Level.FAIL,
    runbook=FIRST_DAY,
)
def alarm_actions(alarms: Alarms, environment: Environment) -> Iterator[Finding]:
    ours = [alarm for alarm in alarms.alarms if alarm.name.startswith(environment.alarm_prefix)]
    check = "alarm-actions"
    if not ours:
        yield finding(
            check,
            Level.FAIL,
            "alarms",
            f"There is no alarm whose name begins with {environment.alarm_prefix}.",
            alarms.reading,
            **by_terraform(environment, "Make alarms, or name them with alarm_prefix in omc.toml"),
        )
        return
    silent = [alarm.name for alarm in ours if not alarm.actions]
    off = [alarm.name for alarm in ours if alarm.actions and not alarm.acts]
    tell, are = verb(len(silent), "tells", "tell"), verb(len(off), "is", "are")
    for names, why in ((silent, f"{tell} nobody, without an action for ALARM"), (off, f"{are} switched off")):
        if names:
            yield finding(
                check,
                Level.FAIL,
                listed(names, 1),
                f"{counted(len(names), 'alarm')} {why}.",
                alarms.reading,
                *names,
                **by_terraform(
                    environment,
                    "Give each alarm a topic, and switch its actions on",
                    WITH_TOPICS,
                    command=f"omc infra drift --env {environment.name}",
                ),
            )
    acting = len(ours) - len(silent) - len(off)
    if acting:
        yield finding(
            check,
            Level.OK,
            "the others" if silent or off else "alarms",
            f"{counted(acting, 'alarm')} can act.",
            alarms.reading,
        )


@check(
    "alarm-reaches-a-person",
    title="Topics",
    question="Does each topic that alarms publish to reach a person?",
    severity=Level.FAIL,
    runbook=FIRST_DAY,
)
def alarm_reaches_a_person(paths: AlarmPaths, environment: Environment) -> Iterator[Finding]:
    check = "alarm-reaches-a-person"
    for arn in paths.missing:
        yield finding(
            check,
            Level.FAIL,
            f"topic {_name(arn)}",
            "Alarms publish to it, but it does not exist.",
            paths.reading,
            **by_terraform(environment, "Make the topic, or give the alarms another one"),
        )
    for arn, subscriptions in paths.topics.items():
        level, sentence, do = _heard(subscriptions, paths)
        evidence = [_told(one, paths) for one in subscriptions]
        subject = f"topic {_name(arn)}"
        yield finding(
            check, level, subject, sentence, paths.reading, *evidence, do=do, command=_subscribe(arn) if do else ""
        )
    if not paths.topics and not paths.missing:
        yield finding(
            check,
            Level.FAIL,
            "topics",
            f"No alarm of {environment.name} publishes to a topic.",
            paths.reading,
            **by_terraform(environment, "Give each alarm a topic", WITH_TOPICS),
        )


def _heard(subscriptions: tuple[Subscription, ...], paths: AlarmPaths) -> tuple[Level, str, str]:
    people = [one for one in subscriptions if one.protocol in PEOPLE]
    if any(one.confirmed for one in people):
        return Level.OK, f"A person is told ({listed(_protocols(people, confirmed=True))}).", ""
    if any(one.confirmed is None for one in people):
        return Level.UNKNOWN, "SNS doesn't say whether its subscriptions are confirmed.", "Look in the SNS console"
    read = [one for one in subscriptions if one.protocol == "sqs" and paths.polls.get(one.endpoint, 0) > 0]
    if read:
        return Level.OK, f"Its queue {_name(read[0].endpoint)} is read; whoever reads it tells people.", ""
    if people:
        return Level.FAIL, "Nobody has confirmed a subscription: SNS sends nothing to one that is pending.", _CONFIRM
    if any(one.protocol == "sqs" for one in subscriptions):
        return Level.FAIL, "Only a queue is subscribed to it, and nobody has read that queue within the hour.", _ADD
    if subscriptions:
        sentence = (
            f"Only {listed(_protocols(subscriptions))} is subscribed to it, and whether that tells a person is unknown."
        )
        return Level.UNKNOWN, sentence, _ADD
    return Level.FAIL, "Nobody subscribes to it.", _ADD


_ADD = "Subscribe somebody, and confirm what SNS sends"
_CONFIRM = "Open the mail that SNS sent and confirm, or subscribe again"


def _subscribe(topic: str) -> str:
    return f"aws sns subscribe --topic-arn {topic} --protocol email --notification-endpoint ADDRESS"


def _protocols(some: list[Subscription] | tuple[Subscription, ...], *, confirmed: bool = False) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.protocol or "something" for one in some if one.confirmed or not confirmed))


def _told(one: Subscription, paths: AlarmPaths) -> str:
    """Without the address: it is a person's."""
    state = {True: "confirmed", False: "pending", None: "state unknown"}[one.confirmed]
    if one.protocol == "sqs":
        return (
            f"sqs {_name(one.endpoint)}, {state}, polled {paths.polls.get(one.endpoint, 0):.0f} times within the hour"
        )
    return f"{one.protocol or 'unknown protocol'}, {state}"


def _name(arn: str) -> str:
    return arn.rpartition(":")[2]


@check(
    "certificate-and-name",
    title="Entrance",
    question="Are users served over HTTPS, with a valid certificate, under a name that leads to the load balancer?",
    severity=Level.FAIL,
    runbook=FIRST_DAY,
)
def certificate_and_name(entrance: Entrance, environment: Environment, scope: Scope) -> Iterator[Finding]:
    check = "certificate-and-name"
    if not entrance.balancers:
        yield finding(
            check,
            Level.FAIL,
            "load balancer",
            f"None begins with {environment.prefix}.",
            entrance.reading,
            **by_terraform(environment, "Name it with load_balancer in omc.toml"),
        )
        return
    if "HTTPS" not in entrance.protocols:
        local = environment.is_local
        sentence = "Users are served over HTTP only." if entrance.protocols else "ELB returned no listener."
        level = Level.UNKNOWN if not entrance.protocols else Level.OK if local else Level.WARN
        yield finding(
            check,
            level,
            "HTTPS",
            f"{sentence[:-1]}, as intended in a local cloud." if local and level is Level.OK else sentence,
            entrance.reading,
            do="Set domain_name and zone_id, or certificate_arn, in the Terraform, and url in omc.toml",
        )
    for certificate in entrance.certificates:
        level, sentence, do = _certificate(certificate, entrance, environment, scope)
        evidence = (f"for {listed(certificate.names)}" if certificate.names else certificate.arn,)
        yield finding(
            check,
            level,
            f"certificate {certificate.arn.rpartition('/')[2]}",
            sentence,
            entrance.reading,
            *evidence,
            do=do,
        )
    yield from _where(entrance, environment)


def _where(entrance: Entrance, environment: Environment) -> Iterator[Finding]:
    check = "certificate-and-name"
    if not entrance.host:
        if "HTTPS" in entrance.protocols:
            own = next((each.names[0] for each in entrance.certificates if each.names), "")
            fits = own and not own.startswith("*")
            sentence = f"omc.toml has no url; the certificate's own name, {own}, is used instead."
            yield finding(
                check,
                Level.WARN if fits else Level.FAIL,
                "name",
                sentence if fits else "omc.toml has no url, and no certificate gives a single name to use instead.",
                entrance.reading,
                do=f'Write url = "https://…" into [environments.{environment.name}]',
            )
        return
    leads = set(entrance.addresses) & set(entrance.balancer_addresses)
    if entrance.problem:
        level, sentence = Level.FAIL, f"{entrance.problem}."
    elif leads:
        level, sentence = Level.OK, "It leads to the load balancer."
    elif not entrance.balancer_addresses:
        level, sentence = Level.UNKNOWN, "The load balancer's own name can't be looked up from here."
    else:
        level, sentence = (
            Level.WARN,
            "It doesn't lead to the load balancer: there is a proxy in between, or the record is wrong.",
        )
    yield finding(
        check,
        level,
        f"name {entrance.host}",
        sentence,
        entrance.reading,
        f"{entrance.host}: {listed(entrance.addresses) or 'nothing'}; "
        f"the load balancer: {listed(entrance.balancer_addresses) or 'nothing'}",
        do="Point the name's record at the load balancer",
    )


def _certificate(
    certificate: Certificate, entrance: Entrance, environment: Environment, scope: Scope
) -> tuple[Level, str, str]:
    if certificate.status == "missing":
        do = by_terraform(environment, "Give the listener a certificate")["do"]
        return Level.FAIL, "The listener names it, but it does not exist.", do
    if certificate.status != "ISSUED":
        level = Level.FAIL if certificate.status else Level.UNKNOWN
        return level, f"Its status is {certificate.status or 'unknown'}, not ISSUED.", "Create ACM's record in the zone"
    if entrance.host and not any(_covers(name, entrance.host) for name in certificate.names):
        return Level.FAIL, f"It isn't for {entrance.host}.", "Give the listener a certificate for the url's name"
    if certificate.expires is None:
        return Level.UNKNOWN, "ACM doesn't say when it ends.", "Look in the ACM console"
    ends = format_time(certificate.expires, environment.time_zone)
    if certificate.expires <= scope.now:
        return Level.FAIL, f"It ended at {ends}.", "Renew it"
    if certificate.expires - scope.now <= EXPIRES_SOON:
        why = (
            ("ACM should have renewed it: its record is gone")
            if certificate.renews
            else "it isn't renewed automatically"
        )
        return Level.WARN, f"It ends at {ends}, and {why}.", "Renew it"
    return Level.OK, f"It is issued, and good until {ends}.", ""


def _covers(name: str, host: str) -> bool:
    """A wildcard stands for one label."""
    return name == host or (name.startswith("*.") and fnmatchcase(host, name) and host.count(".") == name.count("."))


@check(
    "exec-agents",
    title="ECS Exec",
    question="Can a person open a shell in each running task with ECS Exec?",
    severity=Level.FAIL,
    runbook=FIRST_DAY,
)
def exec_agents(agents: ExecAgents, environment: Environment) -> Iterator[Finding]:
    for service, tasks in agents.of.items():
        level, sentence = _agents(tasks)
        yield finding(
            "exec-agents",
            level,
            service,
            sentence,
            agents.reading,
            *(
                f"{one.task}: {', '.join(f'{name} {state}' for name, state in one.states.items()) or 'no agent'}"
                for one in tasks
            ),
            do="Turn on enable_execute_command in the Terraform and restart; an agent that stopped needs a new task",
            command=f"omc restart --env {environment.name} {service}",
        )


def _agents(tasks: tuple[TaskAgent, ...]) -> tuple[Level, str]:
    if not tasks:
        return Level.UNKNOWN, "No task runs, so there is no agent to look at."
    untold = [one for one in tasks if one.enabled is None or (one.enabled and not one.states)]
    disabled = [one for one in tasks if one.enabled is False]
    down = [one for one in tasks if one.enabled and any(state != "RUNNING" for state in one.states.values())]
    if disabled:
        run = verb(len(disabled), "runs", "run")
        return Level.FAIL, f"{counted(len(disabled), 'task')} of {len(tasks)} {run} without ECS Exec."
    if down:
        return Level.FAIL, f"The agent doesn't run in {counted(len(down), 'task')} of {len(tasks)}."
    if untold:
        return Level.UNKNOWN, f"ECS doesn't report the agent of {counted(len(untold), 'task')}."
    return Level.OK, f"The agent runs in {counted(len(tasks), 'task')}."


@check(
    "log-groups",
    title="Log groups",
    question="Do the stack's log groups exist, with a retention period, and encrypt their lines under a KMS key?",
    severity=Level.FAIL,
    runbook=FIRST_DAY,
)
def log_groups(groups: LogGroups, environment: Environment) -> Iterator[Finding]:
    check, good = "log-groups", []
    for name in groups.wanted:
        group = groups.found.get(name)
        if group is None:
            level, sentence = (
                Level.FAIL,
                (
                    "It does not exist: what should be written there is lost, or goes "
                    "to a group that its writer creates."
                ),
            )
        elif group.retention_days is None:
            level, sentence = Level.WARN, "It keeps its lines for ever."
        elif not group.kms_key:
            level, sentence = Level.WARN, "It isn't encrypted under a KMS key."
        else:
            good.append(name)
            continue
        yield finding(
            check,
            level,
            name,
            sentence,
            groups.reading,
            **by_terraform(environment, BY_LOGS, command=f"omc infra drift --env {environment.name}"),
        )
    if good:
        words = "exist, have a retention period, and are" if len(good) > 1 else "exists, has a retention period, and is"
        sentence = f"{counted(len(good), 'log group')} {words} encrypted under a KMS key."
        yield finding(check, Level.OK, "the stack's log groups", sentence, groups.reading, *good)
    made_by_rds = groups.found.get(OS_METRICS)
    if made_by_rds and not made_by_rds.kms_key:
        yield finding(
            check,
            Level.WARN,
            OS_METRICS,
            "RDS created it for the account: no key of the stack's encrypts it.",
            groups.reading,
            do="Accept it, or give it a key: nothing in it is the application's",
        )


def _most_tasks(services: Services, environment: Environment, names: Collection[str]) -> dict[str, int]:
    """As many as autoscaling may start of each of these; without autoscaling as many as are wanted now."""
    desired = {service.name: service.desired for service in services.services}
    return {
        service.name: desired.get(service.name, 0) if service.maximum is None else service.maximum
        for service in environment.services
        if service.name in names
    }


@check(
    "quotas",
    title="Fargate vCPUs",
    question="Does the account allow as many vCPUs as the services may come to need?",
    severity=Level.FAIL,
    runbook=FIRST_DAY,
)
def quotas(quotas: Quotas, services: Services, environment: Environment) -> Iterator[Finding]:
    percent = {service.name: service.most_percent for service in services.services}
    most = _most_tasks(services, environment, quotas.each_task)
    peak = sum(quotas.each_task[name] * count * max(percent.get(name, 200), 100) / 100 for name, count in most.items())
    evidence = [
        f"{name}: {most[name]} tasks of {quotas.each_task[name]:g} vCPU, {percent.get(name, 200)} %" for name in most
    ]
    subject, do = "Fargate vCPUs", "Ask for a higher quota L-3032A538 (Fargate On-Demand vCPU resource count)"
    if quotas.vcpus is None:
        level, sentence = Level.UNKNOWN, "The account's quota is unknown."
    elif not most:
        level, sentence = Level.UNKNOWN, "No service runs, so it is unknown how much its tasks take."
    elif quotas.wanted > quotas.vcpus:
        level, sentence = Level.FAIL, f"{quotas.wanted:g} vCPUs are wanted now, and {quotas.vcpus:g} allowed."
    elif peak > quotas.vcpus:
        level = Level.WARN
        sentence = f"During a deployment the services may take {peak:g} vCPUs, but only {quotas.vcpus:g} are allowed."
    else:
        level, sentence = Level.OK, f"{peak:g} vCPUs at the most, of {quotas.vcpus:g} allowed."
    yield finding("quotas", level, subject, sentence, quotas.reading, *evidence, do=do)


@check(
    "addresses",
    title="Subnets",
    question="Do the subnets have as many free addresses as tasks may come to need?",
    severity=Level.FAIL,
    runbook=FIRST_DAY,
)
def addresses(subnets: Subnets, services: Services, environment: Environment) -> Iterator[Finding]:
    maximum = _most_tasks(services, environment, [service.name for service in services.services])
    shared: dict[tuple[str, ...], int] = {}
    free: dict[tuple[str, ...], int] = {}
    for service in services.services:
        some = subnets.of.get(service.name, ())
        ids = tuple(sorted(subnet.id for subnet in some))
        more = maximum.get(service.name, service.desired) * max(service.most_percent, 100) // 100 - service.running
        shared[ids] = shared.get(ids, 0) + max(more, 0)
        free[ids] = sum(subnet.free for subnet in some)
    for ids, needed in shared.items():
        subject = listed(ids, 3) or "subnets"
        if not ids:
            level, sentence = Level.UNKNOWN, "ECS doesn't say where the tasks are put."
        elif free[ids] < needed:
            level, sentence = Level.FAIL, f"{free[ids]} addresses are free, and tasks may come to need {needed} more."
        else:
            level, sentence = Level.OK, f"{free[ids]} addresses are free; tasks may come to need {needed} more."
        yield finding(
            "addresses", level, subject, sentence, subnets.reading, do="Make the subnets larger, or run fewer tasks"
        )
