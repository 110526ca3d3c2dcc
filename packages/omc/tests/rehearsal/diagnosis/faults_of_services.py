"""Faults that a release brings, of tasks, of the entrance, and of servers of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random

from omc.aws.http_get import Trouble
from omc.facts.listeners import Action
from omc.facts.probes import Answer
from omc.facts.scaling import resource_id
from omc.facts.services import Event
from rehearsal.diagnosis.fault import BACK, PLAN, Truth, fault, no_answer, since, truth
from rehearsal.diagnosis.world import MINUTE, World, denying

# -- settings that a release brought


def _address(w: World, r: Random, kind: str) -> Truth:
    at, service = since(w, r, 130, 320, 700), r.choice(w.apis)
    variable = "POSTGRES_SERVER" if kind == "database" else "REDIS_HOST"
    wrong = r.choice((f"{kind}.internl", "10.99.0.9", f"{w.kind.name}-old.{kind}.internal"))
    w.deploy(service, at, done=True)
    details = w.details[service.definition]
    w.details[service.definition] = replace(details, variables={service.name: w.variables(**{variable: wrong})})
    port = 5432 if kind == "database" else 6379
    line = (
        f"Timeout connecting to server {wrong}:{port}: timed out"
        if wrong.startswith("10.")
        else f"failed to resolve host '{wrong}': [Errno -2] Name or service not known"
    )
    w.lose(kind, line, at + timedelta(seconds=20), [service])
    return truth(f"{kind}-wrong-address server-host", kind, [service], BACK)


@fault("release-database", "a release looks for the database where it isn't")
def wrong_database_address(w: World, r: Random) -> Truth:
    return _address(w, r, "database")


@fault("release-cache", "a release looks for the cache where it isn't")
def wrong_cache_address(w: World, r: Random) -> Truth:
    return _address(w, r, "cache")


@fault("release-database", "a release asks for a database that isn't there")
def wrong_database_name(w: World, r: Random) -> Truth:
    at, service = since(w, r, 130, 320, 700), r.choice(w.apis)
    w.deploy(service, at, done=True)
    name = r.choice(("shopp", "ohmycoin", "ledger_v2"))
    w.details[service.definition] = replace(
        w.details[service.definition], variables={service.name: w.variables(POSTGRES_DB=name)}
    )
    w.lose("database", f'FATAL: database "{name}" does not exist', at + timedelta(seconds=20), [service])
    return truth("database-wrong-name", "database", [service], BACK)


@fault("release-cache", "a release that alone doesn't reach the cache")
def release_misses_cache(w: World, r: Random) -> Truth:
    at, service = since(w, r, 60, 200, 600), r.choice(w.apis)
    w.deploy(service, at, new=r.choice((1, 2)))
    w.details[service.definition] = replace(
        w.details[service.definition], variables={service.name: w.variables(REDIS_TLS="false")}
    )
    w.lose(
        "cache",
        "the cache can't be reached: Connection reset by peer",
        at + timedelta(seconds=20),
        [service],
        share=0.5,
    )
    return truth("cache-missed-by-release", "cache", [service], BACK)


# -- tasks


def _unstarted(
    w: World, r: Random, names: str, reason: str, *actions: str, anew: bool | None = None, **more: str
) -> Truth:
    """Tasks that never ran: of a new revision, or of the one that runs, some of which had to be replaced."""
    at = since(w, r, 100, 250, 900)
    service = r.choice([*w.apis, *w.webs])
    is_new = r.random() < 0.6 if anew is None else anew
    if is_new:
        w.deploy(service, at)
        service.running, service.pending = service.desired, 1
    else:
        service.running, service.pending = r.choice((0, 1)), 1
        if service.running == 0:
            w.fail(service, at, answer=Answer(503, "Service Unavailable", by_balancer=True))
            service.targets = [replace(w.target(service, 0), state="gone")]
    text = reason.format(definition=service.definition, service=service.name, prefix=w.environment.prefix)
    number = max(1, min(6, int((w.now - at).total_seconds() / 70)))
    for at_ in range(number):
        w.stop(service, w.now - timedelta(seconds=20 + 65 * at_), text, "TaskFailedToStart", code=None)
    service.failed = number if is_new else 0
    for operation, name in more.items():
        w.write(operation, at - timedelta(seconds=30), name.format(service=service.name, prefix=w.environment.prefix))
    return truth(names, f"services/{service.name}", [service], *((BACK,) if is_new else ()), *actions)


@fault("release", "an image that isn't there, or that the role may not pull")
def image_missing(w: World, r: Random) -> Truth:
    reason = r.choice(
        (
            "CannotPullContainerError: pull image manifest has been retried: reg.example.com/{service}:x: not found",
            "CannotPullContainerError: pull access denied for reg.example.com/{service}:x: 403 Forbidden",
            "CannotPullContainerError: failed to resolve reg.example.com/{service}:x: dial tcp 1.2.3.4: i/o timeout",
        )
    )
    return _unstarted(w, r, "image-not-pulled", reason, BACK)


SECRETS = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "


@fault("tasks", "a secret that is gone, or that tasks may not read")
def secret_unreadable(w: World, r: Random) -> Truth:
    arn = "arn:aws:secretsmanager:x:1:secret:{prefix}/key-AbCdEf"
    begin = f"{SECRETS}unable to retrieve secret from asm: failed to fetch secret {arn} from secrets manager: "
    if r.random() < 0.5:
        return _unstarted(
            w,
            r,
            "secret-not-read",
            f"{begin}InvalidRequestException: marked for deletion.",
            PLAN,
            DeleteSecret="{prefix}/key",
        )
    reason = (
        f"{begin}AccessDeniedException: User: arn:aws:sts::1:assumed-role/{{prefix}}-execution/0a is not authorized to "
        "perform: secretsmanager:GetSecretValue because no identity-based policy allows it"
    )
    return _unstarted(w, r, "secret-not-read", reason, PLAN, DeleteRolePolicy="{prefix}-execution")


@fault("tasks", "the log group of the tasks is gone")
def log_group_gone(w: World, r: Random) -> Truth:
    reason = "ResourceInitializationError: failed to validate logger args: create stream has been retried: failed to "
    reason += "create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist."
    return _unstarted(w, r, "log-group-not-usable", reason, PLAN)


@fault("release", "a start command that isn't in the image")
def start_command(w: World, r: Random) -> Truth:
    reason = 'CannotStartContainerError: runc create failed: exec: "uvicornn": executable file not found in $PATH'
    return _unstarted(w, r, "start-command", reason, anew=True)


@fault("release", "an image for another processor")
def wrong_processor(w: World, r: Random) -> Truth:
    reason = r.choice(
        (
            "CannotStartContainerError: exec /app/run: exec format error",
            "image Manifest does not contain descriptor matching platform 'linux/arm64'",
        )
    )
    return _unstarted(w, r, "wrong-processor image-not-pulled", reason, anew=True)


@fault("release", "an image for another processor, as only the tasks' log says it")
def wrong_processor_logged(w: World, r: Random) -> Truth:
    program = r.choice(("/app/run", "/usr/local/bin/python", "python"))
    return _dying(w, r, "wrong-processor", anew=True, words=(f"exec {program}: exec format error",))


@fault("keep-alive", "a server ends idle connections sooner than the load balancer")
def keep_alive_too_short(w: World, r: Random) -> Truth:
    at, service = since(w, r, 240, 400, 900), r.choice(w.apis)
    w.fail(service, at, share=r.choice((0.3, 0.5)), answer=Answer(502, "Bad Gateway", by_balancer=True, seconds=0.1))
    name, value = r.choice((("KEEP_ALIVE_SECONDS", "2"), ("KEEP_ALIVE_TIMEOUT", "5"), ("KEEPALIVE_MS", "3000")))
    details = w.details[service.definition]
    container = next(each.container for each in w.environment.services if each.name == service.name)
    w.details[service.definition] = replace(details, variables={container: w.variables(**{name: value})})
    w.bad_gateways = w.lasting(0.0, at, r.choice((4.0, 30.0)))
    return truth("keep-alive-too-short", f"services/{service.name}", [service], PLAN, BACK)


@fault("scaling", "somebody keeps autoscaling from adding tasks, and the load wants more")
def scaling_held(w: World, r: Random) -> Truth:
    at, service = since(w, r, 240, 400, 900), r.choice(w.apis)
    known, of = w.scaling[service.name], resource_id(w.environment, service.name)
    is_suspended = r.random() < 0.5
    if is_suspended:
        w.scaling[service.name] = replace(known, suspended=True, suspended_out=True)
        state = {"dynamic_scaling_out_suspended": True}
        w.change("aws_appautoscaling_target", f"{of}'", {"suspended_state": [state]})
    else:
        w.scaling[service.name] = replace(known, maximum=service.desired)
        w.change("aws_appautoscaling_target", f"{of}'", {"max_capacity": service.desired})
    w.write("RegisterScalableTarget", at - timedelta(minutes=r.choice((1, 40, 300))), of)
    w.wanting.append(of)
    service.slow = r.choice((0.4, 3.3, 4.6))
    if service.slow > 4:
        late = Answer(504, "Gateway Time-out", by_balancer=True, seconds=service.slow)
        w.fail(service, at, share=r.choice((0.1, 0.4)), answer=late)
    w.knows_state = service.slow < 1 or r.random() < 0.7
    return truth(
        "scaling-suspended" if is_suspended else "scaling-capped",
        f"services/{service.name}", [service], PLAN, r"omc scale\b",
    )  # fmt: skip


@fault("traffic", "a service gets several times the requests that it can serve")
def traffic_surge(w: World, r: Random) -> Truth:
    at, service, times = since(w, r, 700, 1000, 1300), r.choice([*w.apis, *w.webs]), r.choice((3.5, 8.0, 40.0))
    w.requests_a_minute = max(w.requests_a_minute, 150.0)
    w.surges[service.name] = (at, times)
    service.slow = r.choice((3.3, 4.6))
    if service.slow > 4:
        late = Answer(504, "Gateway Time-out", by_balancer=True, seconds=service.slow)
        w.fail(service, at, share=r.choice((0.1, 0.4)), answer=late)
    if service.is_api and r.random() < 0.5:
        w.say(service, "psycopg_pool.PoolTimeout: couldn't get a connection after 5.00 sec", at + MINUTE)
    if r.random() < 0.4:
        w.wanting.append(resource_id(w.environment, service.name))
    return truth("traffic-surge", "traffic", [service], r"omc scale\b")


@fault("tasks", "a role that ECS may no longer assume")
def role_lost(w: World, r: Random) -> Truth:
    reason = (
        "ECS was unable to assume the role 'arn:aws:iam::1:role/{prefix}-execution' that was provided for this task."
    )
    return _unstarted(w, r, "role-not-assumed", reason, PLAN, UpdateAssumeRolePolicy="{prefix}-execution")


@fault("tasks", "no address is left in the subnets")
def addresses_used_up(w: World, r: Random) -> Truth:
    made = _unstarted(w, r, "no-free-address", "Timeout waiting for network interface provisioning to complete.", PLAN)
    _event(
        w, made, "was unable to place a task. Reason: RESOURCE:ENI: insufficient free addresses in subnet subnet-app."
    )
    return made


@fault("tasks", "AWS has no capacity")
def capacity_lacking(w: World, r: Random) -> Truth:
    made = _unstarted(
        w,
        r,
        "no-capacity",
        "Capacity is unavailable at this time. Please try again later or in a different availability zone",
        PLAN,
    )
    _event(w, made, "was unable to place a task. Reason: Capacity is unavailable at this time.")
    return made


def _event(w: World, made: Truth, text: str) -> None:
    service = w.services[made.services[0]]
    service.events.append(Event(w.ago(seconds=50), f"(service {service.name}) {text}"))


def _dying(
    w: World,
    r: Random,
    names: str,
    *actions: str,
    anew: bool,
    words: Sequence[str] = (),
    code: int = 1,
    why: str = "",
    of: str = "",
) -> Truth:
    """Tasks that start and end again."""
    at, service = since(w, r, 150, 400, 1000), r.choice(w.apis if of == "api" else [*w.apis, *w.webs])
    if anew:
        w.deploy(service, at)
        service.running = service.desired
    else:
        service.running, service.pending = r.choice((0, 1)), 1
        if service.running == 0:
            w.fail(service, at, answer=Answer(503, "Service Unavailable", by_balancer=True))
            service.targets = [replace(w.target(service, 0), state="initial", reason="Elb.RegistrationInProgress")]
    lived, number = r.choice((8, 25, 70)), 0
    ended = w.now - timedelta(seconds=15)
    while ended - timedelta(seconds=lived) > at and number < 8:
        w.stop(
            service, ended, "Essential container in task exited", code=code, why=why,
            started=ended - timedelta(seconds=lived), words=words,
        )  # fmt: skip
        number += 1
        ended -= timedelta(seconds=lived + 30)
    service.failed = number if anew else 0
    return truth(names, f"services/{service.name}", [service], *((BACK,) if anew else ()), *actions)


OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"


@fault("tasks", "tasks need more memory than they have")
def out_of_memory(w: World, r: Random) -> Truth:
    made = _dying(w, r, "container-memory", anew=r.random() < 0.5, code=137, why=OUT_OF_MEMORY)
    if r.random() < 0.5:
        service = w.services[made.services[0]]
        w.details[service.definition] = replace(w.details[service.definition], memory={})
        return replace(made, names=frozenset({"task-memory"}))
    return made


@fault("release", "a release that lacks a variable, a module, or finds its port in use")
def release_crashes(w: World, r: Random) -> Truth:
    line, name = r.choice(
        (
            ("KeyError: 'PAYMENT_URL'", "task-settings"),
            ("RuntimeError: SECRET_KEY is not set", "task-settings"),
            ("ModuleNotFoundError: No module named 'pricing'", "task-module"),
            ("Error: Cannot find module './routes'", "task-module"),
            (
                "[Errno 98] error while attempting to bind on address ('0.0.0.0', 8000): address already in use",
                "task-port",
            ),
        )
    )
    return _dying(w, r, name, anew=True, words=(line,))


@fault("tasks", "tasks crash with words that no table knows")
def tasks_crash(w: World, r: Random) -> Truth:
    words, code = r.choice(
        (
            (('{"level": "ERROR", "message": "the ledger is out of order"}',), 1),
            (("fatal: licence has run out",), 3),
            ((), 139),
            ((), 137),
        )
    )
    return _dying(w, r, "task-exits", anew=r.random() < 0.4, words=words, code=code)


@fault("tasks", "tasks hang and answer nobody")
def tasks_hang(w: World, r: Random) -> Truth:
    at, service = since(w, r, 200, 400, 900), r.choice([*w.apis, *w.webs])
    silent = Answer(trouble=Trouble.SILENT, problem="timed out", seconds=5.0)
    if r.random() < 0.5:
        silent = Answer(504, "Gateway Time-out", by_balancer=True, seconds=5.0)
    w.fail(service, at, answer=silent)
    service.bad_since = at
    w.sicken(service, at, reason="timeout")
    return truth("task-hangs", f"services/{service.name}", [service], r"omc restart\b", BACK)


@fault("release", "a release that fails its health checks")
def release_unhealthy(w: World, r: Random) -> Truth:
    at, service = since(w, r, 250, 500, 900), r.choice([*w.apis, *w.webs])
    w.deploy(service, at)
    code, number = r.choice((404, 500, 503)), 0
    ended = w.now - timedelta(seconds=15)
    while ended - timedelta(seconds=120) > at and number < 5:
        w.stop(
            service, ended,
            "Task failed ELB health checks in (target-group x) due to (reason Health checks failed with these codes: "
            f"[{code}])",
            "ServiceSchedulerInitiated", code=143, started=ended - timedelta(seconds=120),
        )  # fmt: skip
        number += 1
        ended -= timedelta(seconds=150)
    service.running, service.failed = service.desired, number
    return truth("health-checks", f"services/{service.name}", [service], BACK)


@fault("release", "a release that answers slowly")
def release_slow(w: World, r: Random) -> Truth:
    at, service = since(w, r, 100, 300, 700), r.choice(w.apis)
    w.deploy(service, at, new=service.desired)
    service.slow = r.choice((3.2, 4.0, 4.9))
    return truth("release-slow", f"services/{service.name}", [service], BACK)


@fault("way-to-tasks", "the tasks' security group lets the load balancer in no longer")
def tasks_group_closed(w: World, r: Random) -> Truth:
    at, service = since(w, r), r.choice([*w.apis, *w.webs])
    w.rules = [rule for rule in w.rules if not (rule.group == f"sg-{service.name}" and not rule.is_egress)]
    w.write("RevokeSecurityGroupIngress", at, f"sg-{service.name}")
    w.fail(service, at, answer=Answer(504, "Gateway Time-out", by_balancer=True, seconds=5.0))
    w.sicken(service, at, reason="timeout")
    return truth("tasks-closed", f"services/{service.name}", [service], PLAN)


@fault("way-to-tasks", "a network ACL keeps the load balancer from the tasks")
def tasks_acl(w: World, r: Random) -> Truth:
    at, service = since(w, r), r.choice([*w.apis, *w.webs])
    w.acl_rules["acl-app"] = denying(20, f"{w.kind.network}.1.0/24", service.port)
    w.write("CreateNetworkAclEntry", at, "acl-app")
    hurt = [each for each in w.services.values() if each.port == service.port]
    for each in hurt:
        w.fail(each, at, answer=Answer(504, "Gateway Time-out", by_balancer=True, seconds=5.0))
        w.sicken(each, at, reason="timeout")
    return truth("tasks-denied", f"services/{hurt[0].name}", hurt[:1], PLAN, r"delete-network-acl-entry")


@fault("shut-in", "the tasks' security group lets nothing out")
def tasks_shut_in(w: World, r: Random) -> Truth:
    at, service = since(w, r), r.choice(w.apis)
    w.rules = [rule for rule in w.rules if not (rule.group == f"sg-{service.name}" and rule.is_egress)]
    w.write("RevokeSecurityGroupEgress", at, f"sg-{service.name}")
    w.lose("cache", no_answer(w, r, "cache"), at + timedelta(seconds=9), [service])
    w.lose("database", no_answer(w, r), at + timedelta(seconds=5), [service])
    return truth("tasks-shut-in", f"services/{service.name}", [service], PLAN)


@fault("way-to-tasks", "somebody took the targets away")
def targets_deregistered(w: World, r: Random) -> Truth:
    at, service = since(w, r), r.choice([*w.apis, *w.webs])
    service.targets = [replace(w.target(service, 0), state="gone")]
    w.write("DeregisterTargets", at, w.group_arn(service.name))
    w.fail(service, at, answer=Answer(503, "Service Unavailable", by_balancer=True))
    return truth("targets-taken-away", f"targets/{service.name}", [service], r"omc restart\b")


@fault("way-to-tasks", "a service was scaled to zero")
def scaled_to_zero(w: World, r: Random) -> Truth:
    at, service = since(w, r), r.choice([*w.apis, *w.webs])
    service.desired = service.running = 0
    w.write("UpdateService", at, service.name)
    service.targets = [replace(w.target(service, 0), state="gone")]
    w.fail(service, at, answer=Answer(503, "Service Unavailable", by_balancer=True))
    return truth("expected-users", f"services/{service.name}", [service], r"omc scale\b", PLAN)


# -- the entrance


@fault("entrance", "a rule of the listener is gone, or leads elsewhere")
def rule_changed(w: World, r: Random) -> Truth:
    at, service = since(w, r), r.choice(w.apis)
    number = next(
        at_ for at_, rule in enumerate(w.listener_rules) if w.group_arn(service.name) in dict(rule.action.groups)
    )
    rule = w.listener_rules[number]
    if r.random() < 0.5:
        w.listener_rules.pop(number)
        w.change("aws_lb_listener_rule", w.rule_arn(rule.priority), None)
        w.write("DeleteRule", at, w.rule_arn(rule.priority))
    else:
        other = w.group_arn(w.webs[0].name)
        w.listener_rules[number] = replace(rule, action=Action("forward", ((other, 1),)))
        action = [{"type": "forward", "order": 1, "target_group_arn": other}]
        w.change("aws_lb_listener_rule", w.rule_arn(rule.priority), {"action": action})
        w.write("ModifyRule", at, w.rule_arn(rule.priority))
    w.knows_state = r.random() < 0.7
    w.fail(service, at, answer=Answer(404, "Not Found"))
    service.bad_since = None
    return truth("expected-users listeners", "load-balancer", [service], PLAN)


@fault("entrance", "a rule answers everybody with a fixed response")
def fixed_response(w: World, r: Random) -> Truth:
    at, web = since(w, r), w.webs[0]
    fixed = Action("fixed-response", status="503")
    w.listener_rules[-1] = replace(w.listener_rules[-1], action=fixed)
    values = {
        "default_action": [
            {"type": "fixed-response", "fixed_response": [{"status_code": "503", "content_type": "text/plain"}]}
        ]
    }
    w.change("aws_lb_listener", ":listener/", values)
    w.write("ModifyListener", at, f"{w.arn}:listener/app/x/1/2")
    w.knows_state = r.random() < 0.7
    w.fail(web, at, answer=Answer(503, "Service Unavailable", by_balancer=True))
    return truth("expected-users listeners", "load-balancer", [web], PLAN)


@fault("entrance-shut", "the load balancer's only listener is gone")
def listener_gone(w: World, r: Random) -> Truth:
    at = since(w, r)
    w.has_listener = False
    w.change("aws_lb_listener", ":listener/", None)
    for rule in w.listener_rules[:-1]:
        w.change("aws_lb_listener_rule", w.rule_arn(rule.priority), None)
    w.write("DeleteListener", at, f"{w.arn}:listener/app/x/1/2")
    w.nobody_in, w.outside_since = Trouble.REFUSED, at
    w.knows_state = r.random() < 0.7
    return truth("expected-users listeners", "load-balancer", list(w.services.values()), PLAN)


@fault("entrance-shut", "the load balancer's security group lets nobody in")
def balancer_group_closed(w: World, r: Random) -> Truth:
    at = since(w, r)
    w.rules = [rule for rule in w.rules if rule.group != "sg-balancer" or rule.is_egress]
    w.write("RevokeSecurityGroupIngress", at, "sg-balancer")
    w.nobody_in, w.outside_since = Trouble.CONNECT, at
    return truth("balancer-closed", "load-balancer", list(w.services.values()), PLAN)


@fault("entrance-shut", "a network ACL keeps users from the load balancer")
def balancer_acl(w: World, r: Random) -> Truth:
    at = since(w, r)
    w.acl_rules["acl-public"] = denying(10, "0.0.0.0/0", 80)
    w.write("CreateNetworkAclEntry", at, "acl-public")
    w.nobody_in, w.outside_since = Trouble.CONNECT, at
    return truth("balancer-denied", "load-balancer", list(w.services.values()), PLAN, r"delete-network-acl-entry")


# -- others


@fault("exchange", "a server of others is down, or doesn't answer")
def exchange_down(w: World, r: Random) -> Truth:
    at = since(w, r, 100, 500, 1500)
    name = w.kind.exchange
    host = f"api.{name}.example.com"
    kind, line = r.choice(
        (
            ("timeout", f"{name}: HTTPSConnectionPool(host='{host}', port=443): Read timed out."),
            ("refused", f"the {name} could not be asked: dial tcp 203.0.113.7:443: connect: connection refused"),
            ("host", f"the {name} could not be asked: Could not resolve host: {host}"),
        )
    )
    for each in w.apis:
        w.say(each, line, at)
        each.status[name] = "down"
        each.age = max(each.age, (w.now - at).total_seconds())
    return truth(f"server-{kind}", name, w.apis, r"omc check morning")
