"""More requests than usual, one client that sends most of them, and scaling that can't follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from statistics import median

from omc.checks.causes.model import Cause, Situation, reading_of
from omc.checks.causes.places import OF_SERVICES
from omc.checks.finding import Evidence, Finding, Level
from omc.checks.runbook import HIGH_ERROR_RATE, SCALING
from omc.checks.traffic import DAY, LATE, requests_by_service
from omc.facts.access_logs import HOW_TO_HAVE_THEM
from omc.facts.alarms import Alarms
from omc.facts.collector import NO_READING, Unavailable
from omc.facts.followup.clients import Clients
from omc.facts.followup.last_writes import Write
from omc.facts.followup.request_clients import RequestClients
from omc.facts.load_balancers import TargetGroups
from omc.facts.requests import STEP, Requests
from omc.facts.scaling import ScalableTarget, Scaling, resource_id
from omc.facts.services import EcsService, Services
from omc.output.text import counted

PLACE = "traffic"
HOUR = 12
"""Steps before a surge that say what is usual."""
TIMES = 3.0
"""As many times the usual is a surge: of the hour before, and of the same time a day ago."""
MIN_REQUESTS = 300.0
"""Requests in five minutes: one a second. Below, three times the usual is chance."""
PACKETS = 3_000
"""In the quarter of an hour that is read. Of fewer, one address may well send the half."""
SHARE = 0.5
"""Of all packets from outside, that one address sends. A proxy of a company may: it is said as concluded."""
FEW = 3
"""Addresses: of fewer, one mostly has the half."""
SUSPENDED, CAPPED = "scaling-suspended", "scaling-capped"
SETTINGS = {SUSPENDED: "suspended", CAPPED: "maximum"}
"""By cause, the setting of the scalable target that is otherwise than in the Terraform."""
HURT = frozenset(
    {*OF_SERVICES, "targets", "users-served", "error-rate", "alarms", "recent-errors", "load-balancer", "dependencies"}
)


def surging(situation: Situation) -> Iterator[Cause]:
    """A service that gets several times what it got in the hour before and a day ago."""
    for name, (now, usual, since) in _surges(situation).items():
        minute = timedelta(minutes=1) / STEP
        requests = situation.fact(Requests)
        yield Cause(
            name="traffic-surge",
            place=PLACE,
            subject=name,
            sentence=f"{name} gets {now * minute:.0f} requests a minute, where {usual * minute:.0f} came in the hour "
            f"before: {now / usual:.1f} times as many.",
            evidence=(
                Evidence(f"RequestCount of five minutes: {now:.0f}, before {usual:.0f}", reading_of(requests)),
                *_whose(situation),
            ),
            level=Level.WARN,
            procedure=SCALING,
            since=since,
            services=frozenset({name}),
            is_direct=False,
            checks=HURT,
            yields=True,
        )


def _surges(situation: Situation) -> Mapping[str, tuple[float, float, datetime]]:
    """By service: requests in the newest whole step, usually, and since when."""
    requests, groups, services = situation.fact(Requests), situation.fact(TargetGroups), situation.fact(Services)
    if requests is None or groups is None or services is None:
        return {}
    end = situation.scope.now - LATE
    end = end.replace(minute=end.minute - end.minute % 5, second=0, microsecond=0)
    found: dict[str, tuple[float, float, datetime]] = {}
    for name, counts in requests_by_service(requests, groups, services, situation.environment).items():
        if surge := _surge(counts, end):
            found[name] = surge
    return found


def _surge(counts: Mapping[datetime, float], end: datetime) -> tuple[float, float, datetime] | None:
    """The longest stretch of loud steps up to ``end``, after an hour of less."""
    found: tuple[float, float, datetime] | None = None
    newest = counts.get(end - STEP, 0.0)
    for length in range(1, HOUR + 1):
        since = end - length * STEP
        before = [counts.get(since - number * STEP, 0.0) for number in range(1, HOUR + 1)]
        loud = [counts.get(since + number * STEP, 0.0) for number in range(length)]
        usual = max(median(before), 1.0)
        if sum(1 for each in before if each) < HOUR // 2:
            break  # it isn't known what is usual
        if min(loud) >= max(TIMES * usual, MIN_REQUESTS):
            found = (newest, usual, since)
    if found is None:
        return None
    yesterday = [counts.get(end - DAY + number * STEP, 0.0) for number in range(-2, 2)]
    return None if any(yesterday) and newest < TIMES * max(yesterday) else found


def noisy(situation: Situation) -> Iterator[Cause]:
    """One address that sends most of what comes from outside, as far as the flow log or the access logs tell."""
    clients, senders = situation.fact(Clients), situation.fact(RequestClients)
    if clients and (found := _loudest(clients.most, clients.packets, PACKETS)):
        what = _of(*found, clients.packets, "packets")
        shown = tuple(Evidence(f"{each}: {count:,} packets", clients.reading) for each, count in clients.most[:3])
        evidence = (*shown, *_access_logs(situation))
    elif senders and (found := _loudest(senders.most, senders.requests, MIN_REQUESTS)):
        what = _of(*found, senders.requests, "requests")
        evidence = tuple(_access_logs(situation))
    else:
        return
    surges = _surges(situation)
    yield Cause(
        name="noisy-client",
        place=PLACE,
        subject=found[0],
        sentence=f"One client sends {what}.",
        evidence=evidence,
        level=Level.WARN,
        procedure=HIGH_ERROR_RATE,
        since=min((since for _, _, since in surges.values()), default=None),
        is_direct=False,
        checks=HURT,
        yields=True,
    )


def _loudest(most: Sequence[tuple[str, int]], every: int, least: float) -> tuple[str, int] | None:
    """The address that sends half and more; None where there is none, or too little came to say so."""
    if len(most) < FEW or every < least:
        return None
    return most[0] if most[0][1] >= SHARE * every else None


def _of(address: str, number: int, every: int, what: str) -> str:
    share = f"{100 * number / every:.0f} % of what comes from outside"
    return f"{share}: {address}, with {number:,} of {every:,} {what}"


def _whose(situation: Situation) -> Iterator[Evidence]:
    """Who sends it, or why that isn't known."""
    clients = situation.fact(Clients)
    if clients is None:
        read = situation.readings.get(Clients)
        why = read.error.message if isinstance(read, Unavailable) else "the flow log was not read"
        yield Evidence(f"who sends them was not seen: {why}", NO_READING)
    elif clients.most:
        most = ", ".join(f"{address} {number:,}" for address, number in clients.most[:3])
        text = f"{clients.packets:,} packets of {len(clients.most)} addresses, the most of {most}"
        yield Evidence(text, clients.reading)
    else:
        why = "it has no packet of the last minutes yet" if clients.log_group else "the VPC has none there"
        yield Evidence(f"who sends them was not seen in a flow log in CloudWatch Logs: {why}", clients.reading)
    yield from _access_logs(situation)


def _access_logs(situation: Situation) -> Iterator[Evidence]:
    """Requests by client, as far as the load balancer's access logs tell, or why that isn't known."""
    senders = situation.fact(RequestClients)
    if senders is None:
        read = situation.readings.get(RequestClients)
        if isinstance(read, Unavailable):
            yield Evidence(f"requests by client were not seen: {read.error.message}", NO_READING)
        return
    if not senders.bucket:
        off = "no access logs of the load balancer are written (access_logs.s3.enabled), so requests by client are"
        yield Evidence(f"{off} known nowhere; to have them: {HOW_TO_HAVE_THEM}", senders.reading)
    elif senders.refused:
        yield Evidence(f"requests by client were not seen in {senders.bucket}: {senders.refused}", senders.reading)
    elif senders.begin is None or senders.end is None:
        yield Evidence(f"the bucket {senders.bucket} has no access log of the last minutes yet", senders.reading)
    else:
        read_of = f"{senders.objects} of {senders.there} access logs, {senders.size:,} bytes"
        span = f"{senders.begin:%H:%M} to {senders.end:%H:%M} UTC"
        most = ", ".join(f"{address} {count:,}" for address, count in senders.most[:3])
        came = f"{senders.requests:,} requests of {len(senders.most)} addresses from {span}"
        yield Evidence(f"{came}, the most of {most} ({read_of})", senders.reading)


def held_back(situation: Situation) -> Iterator[Cause]:
    """A service that its autoscaler would give more tasks, and can't: it is at its maximum, or suspended.

    Where it is suspended, or somebody set its maximum by hand, that is the cause of what
    the service suffers; at a maximum that was always so it may be the load."""
    scaling, services, alarms = situation.fact(Scaling), situation.fact(Services), situation.fact(Alarms)
    if scaling is None or services is None or alarms is None:
        return
    for service in services.services:
        target = scaling.of(service.name)
        if target is None or resource_id(situation.environment, service.name) not in alarms.wanting:
            continue
        if target.suspended_out and service.desired < target.maximum:
            yield _suspended(situation, service, target)
        elif service.desired >= target.maximum:
            yield _capped(situation, service, target)


def _suspended(situation: Situation, service: EcsService, target: ScalableTarget) -> Cause:
    write = situation.changed(("RegisterScalableTarget",), resource_id(situation.environment, service.name))
    by = f" {write.who} did so {situation.ago(write.at)}." if write else ""
    sentence = (
        f"{service.name} would get more tasks, and its scaling out is suspended: {service.desired} of at most "
        f"{target.maximum} are wanted.{by}"
    )
    return _held(situation, service, target, SUSPENDED, sentence, write)


def _capped(situation: Situation, service: EcsService, target: ScalableTarget) -> Cause:
    sentence = (
        f"{service.name} is at its maximum of {target.maximum} tasks, and its load is above what its scaling aims at."
    )
    write = situation.changed(("RegisterScalableTarget",), resource_id(situation.environment, service.name))
    return _held(situation, service, target, CAPPED, sentence, write)


def is_held_otherwise(cause: Cause, finding: Finding) -> bool:
    """Whether a finding of what isn't as the Terraform has it is about what keeps scaling from adding tasks."""
    what = SETTINGS.get(cause.name)
    about = f"the autoscaling of {cause.subject}: {what} "
    return what is not None and any(evidence.text.startswith(about) for evidence in finding.evidence)


def _held(
    situation: Situation, service: EcsService, target: ScalableTarget, name: str, sentence: str, write: Write | None
) -> Cause:
    policies = ", ".join(target.policies) or "no policy"
    cause = Cause(
        name=name,
        place=f"services/{service.name}",
        subject=service.name,
        sentence=sentence,
        evidence=(
            Evidence(
                f"{counted(service.desired, 'task')} wanted, {target.minimum} to {target.maximum} allowed; {policies}",
                reading_of(situation.fact(Scaling)),
            ),
            Evidence(
                f"the alarm of {service.name}'s target tracking that asks for more tasks is in ALARM",
                reading_of(situation.fact(Alarms)),
            ),
            *situation.by_whom(write),
        ),
        level=Level.WARN,
        procedure=SCALING,
        services=frozenset({service.name}),
        spares_users=True,
        checks=HURT,
        yields=True,
    )
    is_otherwise = any(is_held_otherwise(cause, each) for each in situation.findings)
    by_hand = write is not None and not write.is_terraform
    return replace(cause, yields=not (name == SUSPENDED or by_hand or is_otherwise))
