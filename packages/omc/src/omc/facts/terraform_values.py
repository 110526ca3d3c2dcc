"""Parts of a resource's values as Terraform writes them: pure functions for ``omc.facts.expected_kinds``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

Values = Mapping[str, Any]
Key = tuple[Any, ...]


def get(name: str) -> Callable[[Values], Any]:
    return lambda values: values.get(name)


def by(*names: str) -> Callable[[Values], Key]:
    return lambda values: tuple(values.get(name) for name in names)


def block(values: Values, *path: str) -> Values:
    """A block of Terraform's, which is a list of one; empty where there is none."""
    for name in path:
        some = values.get(name) or {}
        values = (some[0] if some else {}) if isinstance(some, list | tuple) else some
    return values


def some_of(name: str) -> Callable[[Values], tuple[str, ...] | None]:
    """A list whose order means nothing."""
    return lambda values: None if values.get(name) is None else tuple(sorted(map(str, values[name])))


def tail(arn: object) -> str:
    """What an ARN ends in: ``ohmycoins-staging-alerts``."""
    return str(arn or "").rpartition(":")[2].rpartition("/")[2]


def name_in(values: Values, identifier: object) -> str:
    return str(values.get("_names", {}).get(identifier) or identifier or "")


def balancer_of(arn: object) -> str:
    """``ohmycoins-staging`` of the ARN of a load balancer, a listener or a rule."""
    parts = str(arn or "").rpartition(":")[2].split("/")
    return parts[2] if len(parts) > 2 else ""


def group_name(arn: object) -> str:
    """``ohmycoins-staging-backend`` of a target group's ARN."""
    parts = str(arn or "").rpartition(":")[2].split("/")
    return parts[1] if len(parts) > 1 else ""


def action(values: Values, name: str) -> str | None:
    """What a listener or a rule does with a request, in words: a login that comes before, then what comes last."""
    every = sorted(values.get(name) or (), key=lambda one: one.get("order") or 0)
    if not every:
        return None
    return ", then ".join([*(str(one.get("type")) for one in every[:-1]), _last_action(every[-1])])


def _last_action(last: Values) -> str:
    kind = str(last.get("type"))
    if kind == "forward":
        groups = block(last, "forward").get("target_group") or []
        weights = {group_name(one.get("arn")): _weight(one.get("weight")) for one in groups}
        if not weights:
            return f"to {group_name(last.get('target_group_arn'))}"
        if len(weights) == 1:
            return f"to {next(iter(weights))}"
        return "to " + ", ".join(f"{group} ({weight})" for group, weight in sorted(weights.items()))
    if kind == "redirect":
        to = block(last, "redirect")
        address = f"{to.get('protocol')}://{to.get('host')}:{to.get('port')}{to.get('path')}"
        return f"redirect to {address} ({str(to.get('status_code')).removeprefix('HTTP_')})"
    if kind == "fixed-response":
        return f"a fixed response with status {block(last, 'fixed_response').get('status_code')}"
    return kind


def _weight(payload: Any) -> int:
    """One where none is written; zero is a weight: that group gets nothing."""
    return 1 if payload is None else int(payload)


def conditions(values: Values) -> tuple[str, ...]:
    """``path-pattern /api/*``, sorted."""
    found = []
    for one in values.get("condition") or ():
        for field, response in one.items():
            for each in response or ():
                payload = each.get("values") or ()
                name = each.get("http_header_name")
                pairs = [f"{one.get('key') or ''}={one.get('value')}" for one in payload if isinstance(one, Mapping)]
                words = pairs or [str(one) for one in payload]
                found.append(" ".join([field.replace("_", "-"), *([name] if name else []), ",".join(sorted(words))]))
    return tuple(sorted(found))


def groups_behind(values: Values) -> tuple[str, ...] | None:
    some = values.get("load_balancer")
    return None if some is None else tuple(sorted(group_name(one.get("target_group_arn")) for one in some))


def heeded_alarms(values: Values) -> tuple[str, ...] | str | None:
    if "alarms" not in values:
        return None
    alarms = block(values, "alarms")
    names = tuple(sorted(alarms.get("alarm_names") or ()))
    return names if alarms.get("enable") and names else "off"


def circuit_breaker(values: Values) -> str | None:
    if "deployment_circuit_breaker" not in values:
        return None
    breaker = block(values, "deployment_circuit_breaker")
    return "on" if breaker.get("enable") and breaker.get("rollback") else "off"


def suspended(values: Values) -> tuple[str, ...]:
    state = block(values, "suspended_state")
    words = {
        "dynamic_scaling_out_suspended": "scaling out",
        "dynamic_scaling_in_suspended": "scaling in",
        "scheduled_scaling_suspended": "scheduled scaling",
    }
    return tuple(word for name, word in words.items() if state.get(name))


def watched(values: Values) -> str | None:
    """Metric and dimensions of an alarm, or its expression with those of all its metrics."""

    def metric(one: Values) -> str:
        dimensions = ",".join(f"{name}={value}" for name, value in sorted((one.get("dimensions") or {}).items()))
        stat = one.get("stat") or one.get("statistic") or one.get("extended_statistic")
        return f"{stat} of {one.get('namespace')} {one.get('metric_name')} [{dimensions}]"

    queries = values.get("metric_query") or ()
    if not queries:
        return metric(values) if values.get("metric_name") else None
    parts = []
    for query in sorted(queries, key=lambda one: str(one.get("id"))):
        inner = block(query, "metric")
        shown = "returned " if query.get("return_data") else ""
        parts.append(f"{shown}{query.get('id')} = {metric(inner) if inner else query.get('expression')}")
    return "; ".join(parts)


def period(values: Values) -> int | None:
    periods = {int(values.get("period") or 0)}
    for query in values.get("metric_query") or ():
        periods |= {int(query.get("period") or 0), int(block(query, "metric").get("period") or 0)}
    return max(periods) or None


def missing_data(values: Values) -> str | None:
    return str(values["treat_missing_data"] or "missing") if "treat_missing_data" in values else None


def datapoints(values: Values) -> str | None:
    of = values.get("evaluation_periods")
    if not of:
        return None
    return f"{values.get('datapoints_to_alarm') or of} of {of}"


def acts(values: Values) -> str:
    return "off" if values.get("actions_enabled") is False else "on"


def rings_later(expected: Values, found: Values) -> bool:
    """The limit is farther off than it should be."""
    old, new = float(expected.get("threshold") or 0), float(found.get("threshold") or 0)
    return new < old if "LessThan" in str(expected.get("comparison_operator")) else new > old


def takes_longer(expected: Values, found: Values) -> bool:
    def wanted(values: Values) -> float:
        return float(values.get("datapoints_to_alarm") or values.get("evaluation_periods") or 0)

    return wanted(found) > wanted(expected)


def fewer(name: str) -> Callable[[Values, Values], bool]:
    return lambda expected, found: not set(expected.get(name) or ()) <= set(found.get(name) or ())


_PROTOCOLS = {"all": "-1", "1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6"}


def protocol_of(values: Values) -> str:
    """As AWS answers, however the code has it: ``tcp`` for ``6`` and ``TCP``."""
    protocol = str(values.get("ip_protocol")).lower()
    return _PROTOCOLS.get(protocol, protocol)


def rule_words(values: Values) -> str:
    low, high = values.get("from_port"), values.get("to_port")
    protocol = protocol_of(values)
    everything = low in (None, -1) or protocol == "-1"
    ports = "all ports" if everything else f"port {low}" if low == high else f"ports {low}-{high}"
    way = "to" if values.get("egress") else "from"
    return f"{ports if protocol == '-1' else f'{protocol} {ports}'} {way} {other_side(values)}"


def other_side(values: Values) -> str:
    names = ("cidr_ipv4", "cidr_ipv6", "prefix_list_id", "referenced_security_group_id")
    other = next((values[name] for name in names if values.get(name)), "somewhere")
    return name_in(values, other)


def rule_key(values: Values) -> Key:
    low, high = values.get("from_port"), values.get("to_port")
    ports = (None, None) if low in (None, -1) or protocol_of(values) == "-1" else (low, high)
    names = ("cidr_ipv4", "cidr_ipv6", "prefix_list_id", "referenced_security_group_id")
    other = tuple(str(values.get(name) or "").rpartition("/")[2] or values.get(name) or "" for name in names[2:])
    return (
        bool(values.get("egress")),
        values.get("security_group_id"),
        protocol_of(values),
        *ports,
        *(values.get(name) or "" for name in names[:2]),
        *other,
    )


def subscriber(values: Values) -> str:
    protocol, end = str(values.get("protocol")), str(values.get("endpoint"))
    shown = tail(end) if end.startswith("arn:") else "(address not shown)"
    return f"of {protocol} {shown} to {tail(values.get('topic_arn'))}"


def route_target(values: Values) -> str | None:
    names = ("nat_gateway_id", "gateway_id", "transit_gateway_id", "vpc_peering_connection_id", "vpc_endpoint_id")
    return next((str(values[name]) for name in (*names, "network_interface_id") if values.get(name)), None)


def destination(values: Values) -> str:
    names = ("destination_cidr_block", "destination_ipv6_cidr_block", "destination_prefix_list_id")
    return next((str(values[name]) for name in names if values.get(name)), "")


def health_check(values: Values) -> str | None:
    check = block(values, "health_check")
    if not check:
        return None
    return f"{check.get('protocol')} {check.get('path') or ''} on {check.get('port')}, {check.get('matcher') or 'open'}"


def health_times(values: Values) -> str | None:
    check = block(values, "health_check")
    if not check:
        return None
    names = ("interval", "timeout", "healthy_threshold", "unhealthy_threshold")
    return "every {} s, timeout {} s, healthy after {}, unhealthy after {}".format(*(check.get(name) for name in names))


def service_name(values: Values) -> str:
    """``backend`` of ``service/ohmycoins-staging/backend``."""
    return str(values.get("resource_id") or "").rpartition("/")[2]


def threshold(values: Values) -> float | None:
    """None where it is another metric's band."""
    payload = values.get("threshold")
    return None if payload is None or values.get("threshold_metric_id") else float(payload)


def suppressor(values: Values) -> str | None:
    if "alarm_rule" not in values:
        return None
    return tail(block(values, "actions_suppressor").get("alarm")) or "none"


def scaling_target(values: Values) -> str | None:
    settings = block(values, "target_tracking_scaling_policy_configuration")
    if not settings:
        return None
    metric = block(settings, "predefined_metric_specification").get("predefined_metric_type") or "its metric"
    return f"{float(settings.get('target_value') or 0):g} of {metric}"


def scales_in(values: Values) -> str | None:
    settings = block(values, "target_tracking_scaling_policy_configuration")
    return ("off" if settings.get("disable_scale_in") else "on") if settings else None


def confirmation(values: Values) -> str:
    return "waits for its receiver's confirmation" if values.get("pending_confirmation") else "confirmed"


def pattern(values: Values) -> str | None:
    """As JSON writes it, so that spaces and order make no difference."""
    payload = values.get("event_pattern")
    try:
        return json.dumps(json.loads(payload), sort_keys=True) if payload else None
    except ValueError:
        return str(payload)


def retention(values: Values) -> str | None:
    if "retention_in_days" not in values:
        return None
    days = values["retention_in_days"]
    return f"{days} days" if days else "for ever"


def flag(name: str) -> Callable[[Values], str | None]:
    return lambda values: None if values.get(name) is None else "on" if values[name] in (True, "true") else "off"


def flowing(values: Values) -> str:
    """What a flow log records."""
    return str(values.get("vpc_id") or values.get("subnet_id") or values.get("eni_id") or "")


def log_key(values: Values) -> str | None:
    if "kms_key_id" not in values:
        return None
    return tail(values["kms_key_id"]) or "CloudWatch's own"


def alarm_rule(values: Values) -> str | None:
    payload = values.get("alarm_rule")
    return " ".join(str(payload).split()) if payload else None


def statements(name: str) -> Callable[[Values], tuple[str, ...] | None]:
    """What a policy says, a text for each statement, in which order and one-item lists make no difference:
    ``Allow sqs:SendMessage by sns.amazonaws.com``. None where there is no policy to read."""

    def of(values: Values) -> tuple[str, ...] | None:
        payload = values.get(name)
        try:
            policy = json.loads(payload) if isinstance(payload, str) and payload else payload or {}
        except ValueError:
            return None
        if name not in values or not isinstance(policy, Mapping):
            return None
        every = policy.get("Statement") or ()
        return tuple(sorted(_statement(one) for one in ([every] if isinstance(every, Mapping) else every)))

    return of


def _statement(one: Mapping[str, Any]) -> str:
    who = one.get("Principal", one.get("NotPrincipal", ""))
    whom = [each for some in (who.values() if isinstance(who, Mapping) else [who]) for each in _several(some)]
    what = _several(one.get("Action", one.get("NotAction", ())))
    words = [str(one.get("Effect")), "all but" if "NotAction" in one else "", ", ".join(what)]
    words += ["by", "all but" if "NotPrincipal" in one else "", ", ".join(sorted(whom))]
    if condition := one.get("Condition"):
        plain = {test: {key: _several(held) for key, held in pairs.items()} for test, pairs in condition.items()}
        words.append(f"if {json.dumps(plain, sort_keys=True)}")
    if resources := one.get("Resource", one.get("NotResource")):
        words.append(f"{'not ' if 'NotResource' in one else ''}on {', '.join(_several(resources))}")
    return " ".join(word for word in words if word)


def _several(payload: Any) -> list[str]:
    return sorted(map(str, payload)) if isinstance(payload, list | tuple) else [str(payload)]


def allows_less(name: str) -> Callable[[Values, Values], bool]:
    """A statement that allows is gone, or one that denies has come."""

    def weaker(expected: Values, found: Values) -> bool:
        old, new = set(statements(name)(expected) or ()), set(statements(name)(found) or ())
        gone, come = old - new, new - old
        return any(one.startswith("Allow") for one in gone) or any(one.startswith("Deny") for one in come)

    return weaker
