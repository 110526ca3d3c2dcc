"""What of all that was found belongs to one environment, with the reason for each choice. Pure.

A choice rests on what points at a thing (a variable that holds its address, an alarm about it), then on tags, then on
names, and last on being the only one. What nothing speaks for isn't taken.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from omc.adoption.grouping import ENVIRONMENT_TAGS, WORDS, Group, identifier
from omc.adoption.model import (
    Found,
    FoundAlarm,
    FoundBalancer,
    FoundSchedule,
    FoundService,
    FoundStore,
    group_name,
)
from omc.adoption.toml_text import Plain
from omc.output.text import counted

DATABASE_VARIABLES = re.compile(r"DATABASE|POSTGRES|(^|_)(DB|PG)(_|HOST|URL)|SQLALCHEMY|AURORA|RDS")
CACHE_VARIABLES = re.compile(r"REDIS|VALKEY|ELASTICACHE|(^|_)CACHE_(URL|HOST|ENDPOINT)")
POOL_VARIABLES = re.compile(
    r"^(DB|DATABASE|PG|POSTGRES|SQLALCHEMY|HIKARI|PRISMA)\w*(POOL_SIZE|MAX_OVERFLOW|MAX_CONN\w*|POOL_MAX\w*|CONNECTION_LIMIT)$"
)
"""What frameworks call the size of a task's pool of connections."""

SCALING_KEYS = ("minimum", "maximum", "cpu_target", "memory_target")


@dataclass(frozen=True, slots=True)
class Value:
    """What a key of omc.toml should say, and the evidence."""

    value: Plain
    note: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """What the account doesn't decide. The first choice is the likeliest."""

    about: str
    """``the database of prod``."""
    choices: tuple[str, ...]
    option: str
    """How to answer it beforehand."""


@dataclass(slots=True)
class Judged:
    """What one environment's tables should say, and what could not be told."""

    group: Group
    environment: dict[str, Value] = field(default_factory=dict)
    services: dict[str, dict[str, Value]] = field(default_factory=dict)
    jobs: dict[str, dict[str, Value]] = field(default_factory=dict)
    untold: list[str] = field(default_factory=list)
    """Sentences."""
    questions: list[Question] = field(default_factory=list)


def judge(found: Found, group: Group, others: Sequence[Group] = (), answers: Mapping[str, str] | None = None) -> Judged:
    """One environment. ``others`` are those whose things these are not; ``answers`` are by a question's ``about``."""
    judged = Judged(group)
    about = judged.environment
    prefix = f"{group.stack}-{group.environment}"
    if group.word and group.word.lower() != group.environment:
        usual = f"{group.stack}-{group.word}"
        names = [*group.clusters, *(one.name for one in group.services.values())]
        names += [*(one.name for one in found.databases), *(one.name for one in found.balancers)]
        if any(name.startswith(usual) for name in names):
            prefix = usual
            about["prefix"] = Value(usual, "names begin with it")
    _clusters(judged)
    _balancer(found, judged)
    _store(found, judged, "database", found.databases, DATABASE_VARIABLES, others, answers or {})
    _store(found, judged, "cache", found.caches, CACHE_VARIABLES, others, answers or {})
    _alarms(found, judged, prefix)
    _state(found, judged, others)
    _record(found, judged, prefix)
    for name, service in group.services.items():
        judged.services[name] = service_values(found, service)
        judged.untold += _remarks(name, service)
    _shared_logs(judged)
    for name, schedule in group.schedules.items():
        judged.jobs[name] = job_values(schedule)
    return judged


# ── An environment ───────────────────────────────────────────────────────────────────────────────────────────────


def _clusters(judged: Judged) -> None:
    clusters = judged.group.clusters
    number = sum(each.cluster == clusters[0] for each in judged.group.services.values())
    beside = f"; others in {', '.join(clusters[1:])}" if clusters[1:] else ""
    judged.environment["cluster"] = Value(clusters[0], f"{counted(number, 'service')} in it{beside}")


def balancers_of(found: Found, services: Iterable[FoundService]) -> list[FoundBalancer]:
    """Those that lead requests to these services, the one with most target groups first, public before internal."""
    arns = [arn for one in services for arn, _, _ in one.targets]
    groups = [found_group for arn in dict.fromkeys(arns) if (found_group := found.group(arn))]
    times = Counter(arn for each in groups for arn in each.balancers)
    own = [each for each in found.balancers if each.arn in times]
    return sorted(own, key=lambda each: (-times[each.arn], each.scheme != "internet-facing", each.name))


def _balancer(found: Found, judged: Judged) -> None:
    if found.lacks("load balancers") or found.lacks("target groups"):
        return
    own = balancers_of(found, judged.group.services.values())
    if not own:
        judged.environment["load_balancer"] = Value("", "no service is behind one")
        return
    names = [name for name, each in judged.group.services.items() if _is_behind(found, each, own[0])]
    others = f"; omc reads one, there is {', '.join(each.name for each in own[1:])} too" if own[1:] else ""
    judged.environment["load_balancer"] = Value(own[0].name, f"leads to {listed(names)}{others}")
    if own[0].kind != "application":
        judged.untold.append(f"{own[0].name} is a {own[0].kind} load balancer, and omc reads application ones alone.")


def _is_behind(found: Found, service: FoundService, balancer: FoundBalancer) -> bool:
    groups = [found.group(arn) for arn, _, _ in service.targets]
    return any(each is not None and balancer.arn in each.balancers for each in groups)


def _store(
    found: Found,
    judged: Judged,
    what: str,
    stores: Sequence[FoundStore],
    variables: re.Pattern[str],
    others: Sequence[Group],
    answers: Mapping[str, str],
) -> None:
    """The database or the cache."""
    group = judged.group
    plain, special = ("database", "database_cluster") if what == "database" else ("cache", "cache_serverless")
    if found.lacks(f"{what}s"):
        return
    known = [each for each in stores if each.kind != "alone"]
    scored = sorted(
        ((score, why, each) for each in known for score, why in [_score(found, group, each, others)] if score > 0),
        key=lambda one: (-one[0], one[2].name),
    )
    hints = _hints(group, variables)
    question = f"the {what} of {group.environment}"
    if not scored and len(known) == 1 and hints and not others and not _is_of_other(known[0].name, group, others):
        scored = [(1, f"the only one here, and {hints[0]} wants one", known[0])]
    if answer := answers.get(question):
        scored = [(1, "as answered", each) for each in known if each.name == answer]
    if not scored:
        reason = f"none fits: {listed([each.name for each in known])} are there" if known else "there is none here"
        if what == "cache" and found.lacks("serverless caches"):
            reason += "; serverless ones couldn't be read"
        judged.environment[plain] = Value("", reason)
        if hints:
            judged.untold.append(f"Which {what} it uses: {listed(hints)} may name one, and {reason}.")
        alone = [each for each in stores if each.kind == "alone" and _score(found, group, each, others)[0] > 0]
        judged.untold += [
            f"{each.name} is a single {each.engine} node without a replication group, which omc doesn't know."
            for each in alone
        ]
        return
    best = scored[0]
    ties = [each.name for score, _, each in scored if score == best[0]]
    if len(ties) > 1:
        judged.questions.append(Question(question, tuple(ties), f"omc.toml's {plain}"))
    key = special if best[2].kind in ("cluster", "serverless") else plain
    judged.environment[key] = Value(best[2].name, ", ".join(filter(None, (best[2].engine, best[1]))))


def _score(found: Found, group: Group, store: FoundStore, others: Sequence[Group]) -> tuple[int, str]:
    """How much speaks for it, and what does most."""
    pointing = [
        (variable, name)
        for name, service in group.services.items()
        for container in service.containers
        for variable, value in container.variables.items()
        if any(end and end in value for end in store.endpoints)
    ]
    if pointing:
        variable, name = pointing[0]
        return 100 + len({name for _, name in pointing}), f"{variable} of {name} names it"
    tag = next((store.tags[key] for key in store.tags if key.lower() in ENVIRONMENT_TAGS), "")
    words = {group.environment, identifier(group.word)} - {""}
    if tag and identifier(tag) not in words:
        return 0, ""
    if _is_of_other(store.name, group, others):
        return 0, ""
    vpcs = {each.vpc for arn in _arns(group) if (each := found.group(arn))} - {""}
    if store.vpc and vpcs and store.vpc not in vpcs:
        return 0, ""
    parts = set(re.split(r"[-_.]+", store.name.lower()))
    has_stack = f"-{store.name}-".lower().find(f"-{group.stack}-") >= 0
    has_word = bool(parts & words)
    score = 40 * bool(tag) + 20 * has_stack + 15 * has_word
    if tag:
        return score, "by its tag"
    if has_stack or has_word:
        return score, "by its name"
    return 0, ""


def _arns(group: Group) -> list[str]:
    return [arn for one in group.services.values() for arn, _, _ in one.targets]


def _is_of_other(name: str, group: Group, others: Sequence[Group]) -> bool:
    """Its name has another environment's word, or another stack's name."""
    parts = set(re.split(r"[-_.]+", name.lower()))
    own = {group.environment, group.word.lower()}
    if (parts & WORDS) - own:
        return True
    elsewhere = {each.stack for each in others} - {group.stack}
    return any(f"-{stack}-" in f"-{name.lower()}-" for stack in elsewhere) and f"-{group.stack}-" not in f"-{name}-"


def _hints(group: Group, variables: re.Pattern[str]) -> list[str]:
    """Variables and secrets that are named like an address of such a thing."""
    return [
        f"{variable} of {name}"
        for name, service in group.services.items()
        for container in service.containers
        for variable in (*container.variables, *container.secrets)
        if variables.search(variable)
    ]


def _alarms(found: Found, judged: Judged, prefix: str) -> None:
    if found.lacks("alarms"):
        return
    own = alarms_about(found, judged)
    names = [each.name for each in own]
    usual = [each.name for each in found.alarms if each.name.startswith(f"{prefix}-")]
    if not names and not usual:
        if found.alarms:
            judged.untold.append(
                f"Which of the {counted(len(found.alarms), 'alarm')} here are {judged.group.environment}'s: "
                "none is about what was found."
            )
        else:
            judged.untold.append("Whom it pages: there is no alarm here. docs/adopting.md names those worth having.")
        return
    named = [each for each in own or found.alarms if each.name in (names or usual)]
    topics = listed(sorted({topic for each in named for topic in each.topics}))
    note = f"{counted(len(names or usual), 'alarm')}{f', to {topics}' if topics else ', which tell nobody'}"
    if usual and set(names) <= set(usual):
        judged.environment["alarm_prefix"] = Value(f"{prefix}-", note)
        return
    shared = common_prefix(names)
    rest = [each.name for each in found.alarms if each not in own]
    if len(shared) > 1 and not any(name.startswith(shared) for name in rest):
        judged.environment["alarm_prefix"] = Value(shared, note)
    else:
        shown = listed(names[:4])
        judged.untold.append(
            f"What its alarms begin with: {counted(len(names), 'alarm')} ({shown}) have no prefix of their own; omc "
            "reads those that begin with alarm_prefix."
        )


def alarms_about(found: Found, judged: Judged) -> list[FoundAlarm]:
    """Those whose dimensions name something of this environment."""
    return [each for each in found.alarms if _is_about(found, judged, each.about)]


def _is_about(found: Found, judged: Judged, about: Sequence[str]) -> bool:
    group = judged.group
    services = {each.name for each in group.services.values()}
    arns = _arns(group)
    own = {arn.rpartition("targetgroup/")[2] for arn in arns}
    stores = {
        str(judged.environment[key].value)
        for key in ("database", "database_cluster", "cache", "cache_serverless")
        if key in judged.environment
    } - {""}
    balancers = {each.arn.rpartition("loadbalancer/")[2] for each in balancers_of(found, group.services.values())}
    for value in about:
        if value in services or value in stores or value in balancers:
            return True
        if value.removeprefix("targetgroup/") in own:
            return True
        if any(re.fullmatch(rf"{re.escape(store)}(-\d+)+", value) for store in stores):
            return True
    return False


def common_prefix(names: Sequence[str]) -> str:
    """What all begin with, up to a separator; of one name all before its last one."""
    if not names:
        return ""
    low, high = min(names), max(names)
    length = next(
        (at for at, (one, two) in enumerate(zip(low, high, strict=False)) if one != two), min(len(low), len(high))
    )
    cut = max(low[:length].rfind(separator) for separator in "-_./:")
    return low[: cut + 1]


def _state(found: Found, judged: Judged, others: Sequence[Group]) -> None:
    if found.lacks("Terraform states"):
        judged.environment["terraform_state"] = Value("", "the buckets couldn't be listed")
        return
    group = judged.group
    words = {group.environment, group.word.lower()} - {""}

    def score(address: str) -> int:
        parts = set(re.split(r"[^a-z0-9]+", address.lower()))
        if (parts & WORDS) - words:
            return 0
        return 2 * bool(parts & words) + bool(f"-{group.stack}-" in f"-{re.sub('[^a-z0-9]+', '-', address.lower())}-")

    scored = sorted(((score(each.address), each.address) for each in found.states), reverse=True)
    alone = len(found.states) == 1 and not [each for each in others if each.stack == group.stack]
    best = [each for each in scored if each[0] >= (1 if alone else 2)]
    if not best:
        some = (
            f"none of the {counted(len(found.states), 'state')} here names it" if found.states else "no state was found"
        )
        judged.environment["terraform_state"] = Value("", f"{some}: what should be there isn't known by it")
        return
    ties = [address for points, address in best if points == best[0][0]]
    note = f"one of {len(ties)} that fit" if len(ties) > 1 else "by its name"
    judged.environment["terraform_state"] = Value(min(ties).replace(found.account, "{account}"), note)


def _record(found: Found, judged: Judged, prefix: str) -> None:
    """The places outside for the head of omc's record, which omc's own Terraform makes."""
    bucket = f"{prefix}-audit-{found.account}"
    if bucket in found.buckets:
        judged.environment["audit_bucket"] = Value(f"{prefix}-audit-{{account}}", "it is there")
        return
    judged.environment["audit_bucket"] = Value("", "none yet: docs/adopting.md says what it is for")
    judged.environment["record_log_group"] = Value("", "none yet")


# ── A service ────────────────────────────────────────────────────────────────────────────────────────────────────


def service_values(found: Found, service: FoundService) -> dict[str, Value]:
    """What AWS says of a service, by the keys of omc.toml."""
    values: dict[str, Value] = {"ecs_service": Value(service.name, _kind(service)), "cluster": Value(service.cluster)}
    if service.family:
        values["family"] = Value(service.family)
    container = service.serving
    if container:
        beside = [each.name for each in service.containers if each is not container]
        values["container"] = Value(container.name, f"beside {listed(beside)}" if beside else "")
        if container.log_group:
            gone = found.log_groups and container.log_group not in found.log_groups
            values["log_group"] = Value(container.log_group, "isn't there yet" if gone else "")
    if service.port is not None:
        values["port"] = Value(service.port)
    groups = list(dict.fromkeys(group_name(arn) for arn, _, _ in service.targets))
    values["target_group"] = Value(groups[0] if len(groups) == 1 else groups)
    values |= _scaling(found, service)
    pools = [
        name
        for name, value in (container.variables if container else {}).items()
        if POOL_VARIABLES.search(name) and value.isdigit()
    ]
    if pools:
        values["connections"] = Value(pools, "the size of its pool, by these variables")
    return values


def _shared_logs(judged: Judged) -> None:
    """What several services log to is said of each: a search in it finds the others' lines too."""
    by_group: dict[str, list[str]] = {}
    for name, values in judged.services.items():
        if "log_group" in values:
            by_group.setdefault(str(values["log_group"].value), []).append(name)
    for group, names in by_group.items():
        for name in names if len(names) > 1 else ():
            others = listed(other for other in names if other != name)
            note = ", ".join(filter(None, (judged.services[name]["log_group"].note, f"{others} too")))
            judged.services[name]["log_group"] = Value(group, note)


def _kind(service: FoundService) -> str:
    kinds = [service.launch if service.launch not in ("", "FARGATE") else ""]
    kinds += [service.scheduling if service.scheduling != "REPLICA" else ""]
    kinds += [f"deployed by {service.controller}" if service.controller != "ECS" else ""]
    return ", ".join(filter(None, kinds))


def _scaling(found: Found, service: FoundService) -> dict[str, Value]:
    scaling = found.scaling(service)
    if scaling is None or scaling.cpu_target is None:
        return {}
    values = {"minimum": Value(scaling.minimum), "maximum": Value(scaling.maximum)}
    values["cpu_target"] = Value(round(scaling.cpu_target))
    if scaling.memory_target is not None:
        values["memory_target"] = Value(round(scaling.memory_target))
    if scaling.others:
        values["maximum"] = Value(scaling.maximum, f"also moved by {listed(scaling.others)}")
    return values


def _remarks(name: str, service: FoundService) -> list[str]:
    """What omc.toml can't say of it."""
    remarks = []
    container = service.serving
    if container is None:
        remarks.append(f"What runs in {name}: its task definition couldn't be read, or ECS doesn't start its tasks.")
    elif container.log_group is None:
        driver = f"logs by {container.log_driver}" if container.log_driver else "has no log driver"
        remarks.append(f"Where {name} logs: its container {container.name} {driver}, and names no log group.")
    if container and container.image and ".dkr.ecr." not in container.image:
        remarks.append(f"{name} runs {container.image}, which isn't in ECR: omc deploys images of ECR alone.")
    return remarks


def unscaled(found: Found, group: Group) -> list[str]:
    """Services that something scales in a way that omc.toml has no keys for."""
    sentences = []
    for name, service in group.services.items():
        scaling = found.scaling(service)
        if scaling and scaling.cpu_target is None:
            by = listed(scaling.others) or ("memory alone" if scaling.memory_target is not None else "nothing")
            sentences.append(
                f"{name} is kept within {scaling.minimum} to {scaling.maximum} tasks and scaled by {by}; "
                "omc.toml knows limits with a target for CPU."
            )
    return sentences


def job_values(schedule: FoundSchedule) -> dict[str, Value]:
    """What AWS says of a scheduled task."""
    values = {
        "schedule": Value(schedule.name, schedule.expression),
        "cluster": Value(schedule.cluster),
        "family": Value(schedule.family),
    }
    container = next((each for each in schedule.containers if each.essential and not each.is_router), None)
    if container:
        values["container"] = Value(container.name)
        if container.log_group:
            values["log_group"] = Value(container.log_group)
    return values


# ── Words ────────────────────────────────────────────────────────────────────────────────────────────────────────


def listed(names: Iterable[str]) -> str:
    """``api, web and worker``."""
    *first, last = list(names) or [""]
    return f"{', '.join(first)} and {last}" if first else last
