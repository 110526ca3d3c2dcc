"""Checks of the network: who knocked and was refused, what is open to the world, and rules that no code has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from omc.checks.finding import Finding, Level
from omc.checks.runbook import WEEKLY_SECURITY
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.expected import Expected, Thing
from omc.facts.security.exposure import Exposure, Interface, OpenRule
from omc.facts.security.knocks import Knock, Knocks
from omc.model.networks import PRIVATE, kind_of
from omc.output.text import counted
from omc.review.security.findings import drift, finding, listed, upper
from omc.review.security.policies import is_world

PORTS: Mapping[int, str] = {
    22: "SSH",
    23: "Telnet",
    25: "mail",
    53: "DNS",
    80: "HTTP",
    443: "HTTPS",
    445: "Windows shares",
    1433: "SQL Server",
    3306: "MySQL",
    3389: "Remote Desktop",
    5432: "PostgreSQL",
    6379: "Redis",
    8000: "the backend",
    8080: "HTTP",
    8443: "HTTPS",
    9200: "Elasticsearch",
    27017: "MongoDB",
}
"""What usually listens there (IANA's registry; 8000 is this stack's backend)."""
EPHEMERAL = 32768
"""From here on a port is mostly a client's own: a late packet of a connection that was over (Linux's default range)."""
RULE = "aws_vpc_security_group_ingress_rule"


def _flow_log(environment: Environment) -> str:
    if environment.has_usual_root:
        return f"omc's Terraform makes one: omc infra plan --env {environment.name} shows what is lacking."
    return "Give the VPC one that goes to CloudWatch Logs."


@check(
    "refused-connections",
    title="Refused connections, by source and port",
    question="Was anything within the network refused, and who knocked from outside?",
    severity=Level.WARN,
    runbook=WEEKLY_SECURITY,
)
def refused_connections(knocks: Knocks, environment: Environment) -> Iterator[Finding]:
    if not knocks.log_group:
        yield Finding(
            "refused-connections", Level.UNKNOWN, "flow log",
            "No flow log of the environment is in CloudWatch Logs, so that refused connections aren't known. "
            f"{_flow_log(environment)}",
            (), WEEKLY_SECURITY, True, place="knocks/flow-log",
        )  # fmt: skip
        return
    inside = [one for one in knocks.knocks if kind_of(one.source) == PRIVATE]
    outside = [one for one in knocks.knocks if kind_of(one.source) != PRIVATE]
    ways: dict[tuple[str, str, int], int] = {}
    for one in inside:
        if one.port < EPHEMERAL:
            way = (_owner(one.source, knocks), _owner(one.destination, knocks), one.port)
            ways[way] = ways.get(way, 0) + one.records
    for (source, destination, port), records in ways.items():
        what = f"{port} ({PORTS[port]})" if port in PORTS else str(port)
        sentence = (
            f"{upper(source)} tried to reach {destination} on port {what} and was refused, "
            f"{counted(records, 'record')}: "
            "a rule is missing, or something looks around."
        )
        place = f"knocks/{source}-{destination}-{port}"
        yield finding(
            "refused-connections",
            Level.WARN,
            place,
            sentence,
            knocks.reading,
            *_few(inside, port),
            procedure=drift(environment),
        )
    if not ways:
        sentence = f"Within the network nothing was refused. {_weather(outside)}"
        yield finding("refused-connections", Level.OK, "knocks", sentence, knocks.reading, *_sources(outside))


def _weather(outside: list[Knock]) -> str:
    ports: Counter[int] = Counter()
    for one in outside:
        ports[one.port] += one.records
    words = listed(f"{port} ({PORTS[port]})" if port in PORTS else str(port) for port, _ in ports.most_common(5))
    total = sum(ports.values())
    return f"From the internet {counted(total, 'record')} of refused packets, most to {words}." if total else ""


def _sources(outside: list[Knock]) -> tuple[str, ...]:
    counts: Counter[str] = Counter()
    for one in outside:
        counts[one.source] += one.records
    return tuple(f"{source}: {counted(count, 'record')}" for source, count in counts.most_common(5)) or ("none",)


def _few(inside: Iterable[Knock], port: int) -> list[str]:
    every = [one for one in inside if one.port == port]
    return [f"{one.source} to {one.destination}:{one.port}, {counted(one.records, 'record')}" for one in every[:5]]


def _owner(address: str, knocks: Knocks) -> str:
    return knocks.owners.get(address, address)


@check(
    "open-rules",
    title="Rules that are open to the world",
    question="Is anything but the load balancer's ports for users open to the internet?",
    severity=Level.FAIL,
    runbook=WEEKLY_SECURITY,
)
def open_rules(exposure: Exposure, environment: Environment) -> Iterator[Finding]:
    if not exposure.vpcs:
        yield Finding(
            "open-rules", Level.UNKNOWN, "network", "No load balancer says which VPC is the environment's.", (),
            WEEKLY_SECURITY, True, place="rules",
        )  # fmt: skip
        return
    wide = [rule for rule in exposure.rules if rule.cidr and is_world(rule.cidr)]
    bad = 0
    for rule in wide:
        users = [one for one in exposure.interfaces if rule.group in one.groups]
        if _is_for_users(rule, users, environment):
            continue
        bad += 1
        public = [one for one in users if one.public]
        level = Level.FAIL if public else Level.WARN
        reach = (
            f"{listed(_named(one) for one in public)} can be reached there from the internet"
            if public
            else "nothing with a public address has it now"
            if users
            else "nothing uses it now"
        )
        sentence = f"{rule.group_name} lets in {rule.cidr} on {rule.ports}: {reach}."
        evidence = [f"rule {rule.id} of {rule.group}", *(f"{one.id} {one.description}" for one in users[:5])]
        place = f"rules/{rule.group_name}/{rule.ports}/{rule.cidr}"
        yield finding("open-rules", level, place, sentence, exposure.reading, *evidence, procedure=drift(environment))
    if not bad:
        sentence = f"Of {counted(len(exposure.rules), 'rule')}, {len(wide)} are open to the world, all for users."
        yield finding("open-rules", Level.OK, "rules", sentence, exposure.reading, *(_words(wide) or ("none",)))


def _is_for_users(rule: OpenRule, users: list[Interface], environment: Environment) -> bool:
    """A port for users, on nothing but load balancers: their interfaces' descriptions begin with ``ELB ``."""
    ports = environment.review.security.open_ports
    one_port = rule.first == rule.last and rule.first in ports and rule.protocol in ("tcp", "6", "udp", "17")
    return one_port and bool(users) and all(one.description.startswith("ELB ") for one in users)


def _named(one: Interface) -> str:
    return f"{one.description or one.id} ({one.public})"


def _words(rules: Iterable[OpenRule]) -> tuple[str, ...]:
    return tuple(f"{rule.group_name}: {rule.ports} from {rule.cidr}" for rule in rules)


@check(
    "rules-in-code",
    title="Rules of security groups, against the code",
    question="Is every rule that lets something in one that Terraform made?",
    severity=Level.FAIL,
    runbook=WEEKLY_SECURITY,
)
def rules_in_code(exposure: Exposure, expected: Expected, environment: Environment) -> Iterator[Finding]:
    if not expected.is_states:
        why = expected.problem or "omc.toml names no state of Terraform's."
        yield Finding(
            "rules-in-code", Level.UNKNOWN, "rules", f"What the code has isn't known: {why}", (), WEEKLY_SECURITY, True,
            action=expected.action, place="code-rules",
        )  # fmt: skip
        return
    known = expected.of(RULE)
    groups = {str(thing.values.get("security_group_id")) for thing in known}
    beside = [rule for rule in exposure.rules if rule.group in groups and not any(_is_same(rule, one) for one in known)]
    for rule in beside:
        source = rule.cidr or rule.peer or rule.prefix_list
        level = Level.FAIL if rule.cidr and is_world(rule.cidr) else Level.WARN
        sentence = f"{rule.group_name} lets in {source} on {rule.ports}, which no code has: somebody made it by hand."
        place = f"code-rules/{rule.group_name}/{rule.ports}/{source}"
        yield finding(
            "rules-in-code",
            level,
            place,
            sentence,
            exposure.reading,
            f"rule {rule.id} of {rule.group}",
            procedure=drift(environment),
        )
    if not beside:
        ours = [rule for rule in exposure.rules if rule.group in groups]
        sentence = (
            f"Terraform made every one of the {counted(len(ours), 'rule')} of its {counted(len(groups), 'group')}."
        )
        yield finding(
            "rules-in-code", Level.OK, "code-rules", sentence, exposure.reading, *(_words(ours[:5]) or ("none",))
        )


def _is_same(rule: OpenRule, thing: Thing) -> bool:
    """By its id, or by all that it lets in: a rule that was made again has another id."""
    values = thing.values
    if values.get("security_group_rule_id") == rule.id:
        return True
    source = values.get("cidr_ipv4") or values.get("cidr_ipv6") or values.get("referenced_security_group_id")
    ports = tuple(-1 if values.get(name) is None else int(values[name]) for name in ("from_port", "to_port"))
    return (
        values.get("security_group_id") == rule.group
        and str(values.get("ip_protocol")) == rule.protocol
        and (rule.protocol == "-1" or ports == (rule.first, rule.last))
        and (source or values.get("prefix_list_id")) == (rule.cidr or rule.peer or rule.prefix_list)
    )
