"""Checks of what users get: is each service's public address answered, and if not, what stands in the way?

*Can't be reached* is a failure with a procedure of its own. Where omc itself may be what is cut off (a private network,
a proxy), it is one only if the load balancer's own figures don't show that users are served.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from omc.checks.finding import Evidence, Finding, Level
from omc.checks.runbook import HIGH_ERROR_RATE, USERS_CANT_REACH
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.load_balancers import LoadBalancers
from omc.facts.probes import TIMEOUT, Answer, ProbeRequest, Probes, Source, Trouble
from omc.facts.scope import Scope
from omc.facts.traffic import Minute, Traffic
from omc.times import format_duration, format_time

SLOW = timedelta(seconds=3)
"""An answer that takes this long is reported as slow: the slowest of a few at once, on whatever machine omc runs."""
CERTIFICATE = timedelta(days=14)
"""A certificate that ends sooner than this should have been renewed: ACM does it 60 days before."""
JUST = timedelta(minutes=3)
"""The newest minute that CloudWatch has may have begun this long ago, since its figures are a minute or two late."""
LOGIN = frozenset({401, 403})
"""Answers that say that the service is there and wants to know who asks."""

_WORDS: Mapping[Trouble, str] = {
    Trouble.NAME: "its name doesn't resolve ({problem})",
    Trouble.RESOLVER: "its name could not be looked up ({problem})",
    Trouble.ROUTE: "there is no way to its address ({problem})",
    Trouble.REFUSED: "it refuses connections: nothing listens on port {port}",
    Trouble.CONNECT: f"it takes no connection within {TIMEOUT:g} s",
    Trouble.EXPIRED: "its certificate is expired or not yet valid ({problem})",
    Trouble.OTHER_NAME: "its certificate is of another name ({problem})",
    Trouble.UNTRUSTED: "its certificate isn't from a trusted authority ({problem})",
    Trouble.TLS: "no TLS connection can be made ({problem})",
    Trouble.SILENT: f"it takes the connection and gives no answer within {TIMEOUT:g} s",
    Trouble.CLOSED: "it ends the connection and gives no answer ({problem})",
    Trouble.GARBAGE: "what answers doesn't speak HTTP ({problem})",
    Trouble.ADDRESS: "the address itself is invalid ({problem})",
}
FROM_HERE = frozenset({Trouble.RESOLVER, Trouble.ROUTE, Trouble.CONNECT})
"""Troubles that may be of the network that omc runs in: the rest proves that something is there, or that nothing is."""
OWN_STATUS = {
    502: "the load balancer answers 502: the task that it asked ended the connection or answered no HTTP",
    503: "the load balancer answers 503: no target takes requests",
    504: "the load balancer answers 504: no task answered it in time",
}


@dataclass(frozen=True, slots=True)
class _Verdict:
    level: Level
    sentence: str
    answers: tuple[Answer, ...] = ()


@check(
    "users-served",
    title="Users: what each service answers them",
    question="Is each service's public address answered well?",
    severity=Level.FAIL,
    runbook=USERS_CANT_REACH,
)
def users_served(
    probes: Probes,
    traffic: Traffic | None,
    load_balancers: LoadBalancers | None,
    environment: Environment,
    scope: Scope,
) -> Iterator[Finding]:
    traffic, load_balancers = traffic or Traffic(()), load_balancers or LoadBalancers(())
    served = _served(traffic, scope)
    if probes.is_off:
        yield _not_asked(traffic, served, environment, scope)
        return
    for service, why in probes.without.items():
        nowhere = Evidence(f"there is no address at which {service} could be asked", load_balancers.reading)
        yield _finding(service, Level.FAIL, f"Users can't reach it: {why}.", (nowhere,))
    by_service: dict[str, list[ProbeRequest]] = {}
    for request in probes.requests:
        by_service.setdefault(request.service, []).append(request)
    private = bool(load_balancers.load_balancers) and all(one.is_internal for one in load_balancers.load_balancers)
    judged = {
        service: _worst([_verdict(requested, served, probes, scope, is_private=private) for requested in some])
        for service, some in by_service.items()
    }
    shown = [Evidence(_told(served, environment), traffic.reading)] if served else []
    together = _together(judged, by_service)
    itself = _itself(probes)
    if together is not None and not itself:
        evidence = [Evidence(text, probes.reading) for wanted in probes.requests for text in _evidence(wanted)]
        yield replace(_finding("all services", together.level, together.sentence, (*evidence, *shown)), place="users")
        return
    for service, verdict in judged.items():
        evidence = [Evidence(text, probes.reading) for asked_ in by_service[service] for text in _evidence(asked_)]
        evidence += [Evidence(text, probes.reading) for text in itself]
        more = shown if verdict.level is not Level.OK else []
        hang = f"{verdict.sentence.rstrip('.')}: its tasks hang, the load balancer itself answers."
        sentence = hang if itself else verdict.sentence
        yield _finding(service, verdict.level, sentence, (*evidence, *more), is_5xx=_is_5xx(verdict))


def _itself(probes: Probes) -> list[str]:
    """That the load balancer answers what it does by itself, and every page nothing: its tasks hang, not it."""
    answer = probes.balancer
    if answer is None or answer.trouble is not None or not answer.by_balancer:
        return []
    return [f"TRACE: the load balancer itself answers {answer.status} after {answer.seconds:.1f} s"]


def _worst(verdicts: Sequence[_Verdict]) -> _Verdict:
    levels = (Level.FAIL, Level.UNKNOWN, Level.WARN, Level.OK)
    return min(verdicts, key=lambda one: levels.index(one.level))


def _together(judged: Mapping[str, _Verdict], by_service: Mapping[str, Sequence[ProbeRequest]]) -> _Verdict | None:
    """One verdict where nobody gets in at all: all services of one address, each of their pages by the same trouble.

    Its place is ``users`` alone, which nothing behind the load balancer explains.
    """
    troubles = {answer.trouble for some in by_service.values() for request in some for answer in request.answers}
    doors = {"/".join(requested.url.split("/")[:3]) for some in by_service.values() for requested in some}
    levels = {verdict.level for verdict in judged.values()}
    if len(judged) < 2 or len(troubles) > 1 or None in troubles or len(doors) > 1 or len(levels) > 1:
        return None
    service, verdict = next(iter(judged.items()))
    return replace(verdict, sentence=verdict.sentence.replace(by_service[service][0].url, doors.pop()))


def _finding(
    service: str, level: Level, sentence: str, evidence: tuple[Evidence, ...], *, is_5xx: bool = False
) -> Finding:
    return Finding(
        check="users-served",
        level=level,
        subject=service,
        sentence=sentence,
        evidence=evidence,
        procedure=None if level is Level.OK else HIGH_ERROR_RATE if is_5xx else USERS_CANT_REACH,
        place=f"users/{service}",
    )


def _not_asked(traffic: Traffic, served: Sequence[Minute], environment: Environment, scope: Scope) -> Finding:
    """Only the load balancer's figures are there to tell of users."""
    recent = [minute for minute in traffic.minutes if minute.at >= scope.now - timedelta(minutes=10)]
    total, errors = sum(minute.total for minute in recent), sum(minute.errors for minute in recent)
    if served and errors * 2 < total:
        level, message = Level.OK, f"the load balancer answered {total - errors:.0f} of {total:.0f} requests below 500"
    elif total:
        level, message = Level.FAIL, f"{errors:.0f} of {total:.0f} answers of the load balancer were 5xx"
    else:
        level, message = Level.WARN, "no request shows whether users are served"
    sentence = f"Pages aren't requested from here (probe = false in omc.toml); in the last 10 minutes {message}."
    evidence = tuple(Evidence(_minute(minute, environment), traffic.reading) for minute in recent[-3:])
    return Finding(
        check="users-served",
        level=level,
        subject="all services",
        sentence=sentence,
        evidence=evidence or (Evidence("no request in the last 10 minutes", traffic.reading),),
        procedure=None if level is Level.OK else USERS_CANT_REACH,
        place="load-balancer",
    )


def is_well_served(probes: Probes, service: str) -> bool:
    """Whether users' own pages of the service were asked for and answered in time; its status page is none of them."""
    theirs = [
        request for request in probes.requests if request.service == service and request.source is not Source.STATUS
    ]
    slow = SLOW.total_seconds()
    return bool(theirs) and not any(
        _is_bad(answer, requested) or answer.seconds >= slow for requested in theirs for answer in requested.answers
    )


# One address


def _verdict(
    request: ProbeRequest, served: Sequence[Minute], probes: Probes, scope: Scope, *, is_private: bool
) -> _Verdict:
    if request.is_led_astray and not _is_well(request):
        groups = " and ".join(request.leads_to) or "no target group"
        message = _met(request.answers[0], request)
        if request.fixed_by and request.answers[0].trouble is None:
            return _Verdict(Level.FAIL, f"Users can't reach it: at {request.url} {message}.")
        return _Verdict(
            Level.FAIL,
            f"Users can't reach it: the load balancer's rules lead {request.url} to {groups}, and {message}.",
        )
    bad = [answer for answer in request.answers if _is_bad(answer, request)]
    if not bad:
        return _well(request, scope)
    kinds = Counter(_kind(answer) for answer in bad)
    worst = next(answer for answer in bad if _kind(answer) == kinds.most_common(1)[0][0])
    met = _met(worst, request)
    if len(bad) < len(request.answers):
        hangs = any(answer.trouble is Trouble.SILENT for answer in bad)
        level = Level.FAIL if len(bad) > 1 or hangs else Level.WARN
        number = f"{len(bad)} of {len(request.answers)} requests"
        return _Verdict(level, f"Some users aren't served: at {request.url} {number} fail, because {met}.", tuple(bad))
    if worst.trouble in FROM_HERE or (worst.trouble is Trouble.NAME and is_private):
        return _unreached(request, met, worst, served, probes, scope, is_private=is_private)
    if probes.is_proxied and worst.trouble is not None and served:
        return _unreached(request, met, worst, served, probes, scope, is_private=is_private)
    return _Verdict(Level.FAIL, f"Users can't be served at {request.url}: {met}.{_beside(request)}", tuple(bad))


def _unreached(
    request: ProbeRequest,
    met: str,
    worst: Answer,
    served: Sequence[Minute],
    probes: Probes,
    scope: Scope,
    *,
    is_private: bool,
) -> _Verdict:
    """No connection: users' trouble, or that of the place where omc runs."""
    whose = "its load balancer is internal" if is_private else "this machine uses a proxy, but omc's requests don't"
    if served:
        return _Verdict(
            Level.WARN,
            f"{request.url} can't be reached from where omc runs ({met}), but the load balancer served "
            f"{sum(minute.total - minute.errors for minute in served):.0f} requests until "
            f"{format_duration(scope.now - served[-1].at)} ago: others reach it, or did until then. "
            "Look again in three minutes; "
            "if omc can never reach it, set probe = false in omc.toml.",
        )
    if is_private or probes.is_proxied or worst.trouble is Trouble.ROUTE:
        why = whose if is_private or probes.is_proxied else "this machine has no route to it"
        return _Verdict(
            Level.UNKNOWN,
            f"{request.url} can't be reached from where omc runs ({met}), and {why}: whether users reach it is not "
            "known. Run omc where users are, or set probe = false in omc.toml.",
        )
    return _Verdict(Level.FAIL, f"Users can't reach {request.url}: {met}.{_beside(request)}", (worst,))


def _beside(request: ProbeRequest) -> str:
    """What the load balancer says when it is asked under its own name."""
    if request.direct is None:
        return ""
    if request.direct.trouble is None and request.direct.status < 500:
        return " The load balancer itself answers, so the trouble is the name, or something in between."
    return (
        f" The load balancer itself: {_met(request.direct, request)}."
        if request.direct.trouble or request.direct.status
        else ""
    )


def _is_well(request: ProbeRequest) -> bool:
    """What omc.toml says that it should answer came, whatever the rules seem to say."""
    if request.source is Source.STATUS:
        return request.payload is not None and not any(_is_bad(answer, request) for answer in request.answers)
    return False


def _is_bad(answer: Answer, request: ProbeRequest) -> bool:
    if answer.trouble is not None or answer.is_loop or answer.status >= 500:
        return True
    if answer.status in LOGIN or answer.elsewhere or answer.status == 429:
        return False
    if request.source is Source.STATUS and answer.status < 400:
        return answer.payload is None
    if answer.is_empty and request.source is Source.PUBLIC:
        return True
    return answer.status >= 400 and request.source is not Source.RULE


def _kind(answer: Answer) -> tuple[str, int, bool, bool]:
    return str(answer.trouble or ""), answer.status, answer.is_loop, answer.is_empty


def _met(answer: Answer, request: ProbeRequest) -> str:
    """What one request met, in words that follow *because* or a colon."""
    if answer.trouble is not None:
        port = request.url.split("/")[2].rpartition(":")[2]
        if not port.isdigit():
            port = "443" if request.url.startswith("https") else "80"
        return _WORDS[answer.trouble].format(problem=answer.problem.rstrip("."), port=port)
    if answer.is_loop:
        return "it redirects in a loop"
    if answer.elsewhere:
        return f"it redirects to {answer.elsewhere}"
    if request.fixed_by:
        return f"the load balancer's {request.fixed_by} answers {answer.status} on its own, a fixed response"
    if answer.by_balancer and answer.status in OWN_STATUS:
        return OWN_STATUS[answer.status]
    if answer.by_balancer and answer.status >= 400:
        return f"the load balancer itself answers {answer.status}"
    if answer.status >= 400:
        whose = "the application" if answer.status not in (502, 503, 504) else "it"
        text = f"{whose} answers {answer.status} {answer.reason}".rstrip()
        return f"{text}: another service's answer, or a page that is gone" if answer.status in (404, 410) else text
    if answer.is_empty:
        return f"it answers {answer.status} with an empty page"
    if request.source is Source.STATUS and answer.payload is None:
        what = answer.kind or "something"
        return f"it answers {answer.status} with {what} instead of JSON: this isn't the service that was meant"
    return f"it answers {answer.status}"


def _well(request: ProbeRequest, scope: Scope) -> _Verdict:
    first = request.answers[0]
    slowest = timedelta(seconds=max(answer.seconds for answer in request.answers))
    took = f"{slowest.total_seconds():.1f} s"
    ends = first.certificate_ends
    if first.elsewhere:
        return _Verdict(
            Level.WARN,
            f"{request.url} redirects to {first.elsewhere}, which was not requested, "
            "since that is none of the environment's names. "
            "Set url or public_path in omc.toml to where users go.",
        )
    if any(answer.status == 429 for answer in request.answers):
        return _Verdict(Level.WARN, f"{request.url} answers 429: it takes no more requests from here for a while.")
    if first.status == 403 and first.by_balancer:
        return _Verdict(
            Level.WARN, f"The load balancer answers {request.url} with 403: its firewall or a rule keeps omc out."
        )
    if (
        request.direct
        and request.direct.payload is not None
        and _names_another(request.payload, request.direct.payload)
    ):
        return _Verdict(
            Level.FAIL,
            f"{request.url} is answered by another environment: "
            f"its page says {_environment(request.payload)}, the load "
            f"balancer's own {_environment(request.direct.payload)}.",
        )
    if ends is not None and ends - scope.now < CERTIFICATE:
        return _Verdict(
            Level.WARN,
            f"{request.url} is answered, and its certificate expires in {format_duration(ends - scope.now)}.",
        )
    if slowest >= SLOW:
        return _Verdict(Level.WARN, f"{request.url} is answered slowly: {first.status} after {took}.")
    return _Verdict(Level.OK, f"{request.url} answers {first.status} in {took}.")


def _names_another(response: object, direct: object) -> bool:
    return bool(_environment(response) and _environment(direct) and _environment(response) != _environment(direct))


def _environment(response: object) -> str:
    value = response.get("environment") if isinstance(response, dict) else None
    return value if isinstance(value, str) else ""


def _is_5xx(verdict: _Verdict) -> bool:
    return bool(verdict.answers) and all(
        answer.trouble is None and answer.status >= 500 and not answer.by_balancer for answer in verdict.answers
    )


# In words


def _evidence(request: ProbeRequest) -> list[str]:
    counted = Counter(_result(answer) for answer in request.answers)
    message = ", ".join(f"{number} times {text}" if number > 1 else text for text, number in counted.items())
    lines = [f"GET {request.url} ({request.source}): {message}"]
    if request.direct is not None:
        lines.append(f"the same at the load balancer's own name: {_result(request.direct)}")
    return lines


def _result(answer: Answer) -> str:
    if answer.trouble is not None:
        return f"no answer, {answer.trouble} ({answer.problem})"
    more = " by the load balancer" if answer.by_balancer else ""
    more += " with an empty page" if answer.is_empty else ""
    more += " (a loop of redirects)" if answer.is_loop else ""
    more += f" to {answer.elsewhere}" if answer.elsewhere else ""
    return f"{answer.status} {answer.reason}".rstrip() + more


def _served(traffic: Traffic, scope: Scope) -> list[Minute]:
    """The newest minutes in which somebody got an answer that is no 5xx."""
    return [minute for minute in traffic.minutes if minute.total > minute.errors and scope.now - minute.at <= JUST]


def _told(served: Sequence[Minute], environment: Environment) -> str:
    return f"the load balancer's figures: {_minute(served[-1], environment)}"


def _minute(minute: Minute, environment: Environment) -> str:
    when = format_time(minute.at, environment.time_zone)
    return f"in the minute from {when} {minute.total - minute.errors:.0f} of {minute.total:.0f} answers were below 500"
