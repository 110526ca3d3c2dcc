"""Users of a local stack: they arrive at a set rate in the shape of a day, walk through the application as browsers do,
and every answer is noted. What the answers come to is in ``load_report``.

Arrivals are open-loop: when each user comes is settled before the first one is sent, and a slow server holds nobody
back. A user's time counts from the arrival, not from when somebody was free to serve it. Loopback addresses only.
"""

from __future__ import annotations

import bisect
import http.client
import ipaddress
import itertools
import json
import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from omc.errors import WrongUse

MOST_REQUESTS = 500_000
MOST_USERS = 512
PATIENCE = 10.0
"""Seconds that a user waits for an answer, or for a free place, before giving up."""

IDLE = 30.0
"""Seconds after which a user's kept connection is reopened; the load balancer closes idle ones after 60."""

FAREWELL = 1.0
"""Seconds that requests under way get after Ctrl-C."""

HOURS = (35, 25, 20, 18, 20, 28, 45, 70, 95, 110, 115, 120, 125, 120, 115, 110, 110, 115, 125, 140, 145, 130, 95, 60)
"""Requests in each hour of a day in Sydney, as shares of each other.

An assumption, not a measurement: least at the runbook's maintenance window (02:00 to 04:00), a long working day, most
in the evening; the busiest hour has eight times the quietest's.
"""

COINS = ("BTC", "ETH", "SOL", "XRP", "ADA", "DOGE")


class Shape(StrEnum):
    """How arrivals are spread over the time."""

    FLAT = "flat"
    DIURNAL = "diurnal"


@dataclass(frozen=True, slots=True)
class Step:
    """One request of a journey. ``{coin}`` in the path is filled in; ``own`` ones carry the user's token."""

    method: str
    path: str
    own: bool = False


PAGE = tuple(Step("GET", path) for path in ("/", "/style.css", "/app.js", "/icon.svg"))
PRICES, HISTORY = Step("GET", "/api/v1/prices"), Step("GET", "/api/v1/prices/{coin}/history")
OPEN = Step("POST", "/api/v1/portfolio")
HOLD, SHOW = Step("PUT", "/api/v1/portfolio/{coin}", own=True), Step("GET", "/api/v1/portfolio", own=True)

JOURNEYS: Mapping[str, tuple[Step, ...]] = {
    "front-page": (*PAGE, PRICES, HISTORY),
    "prices": (PRICES, HISTORY),
    "history": (HISTORY,),
    "open-portfolio": (OPEN, HOLD, SHOW),
    "change-portfolio": (HOLD, SHOW),
}
MIX: Mapping[str, float] = {
    "front-page": 20,
    "prices": 50,
    "history": 20,
    "open-portfolio": 3,
    "change-portfolio": 7,
}
"""How often each journey is begun, as shares. An open page asks for prices every five seconds, so that leads."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be sent."""

    url: str
    rate: float
    """Requests a second, over the whole duration."""
    duration: float
    """Seconds; with ``diurnal`` a whole day is compressed into them."""
    shape: Shape = Shape.FLAT
    users: int = 64
    """Users at the site at the same time at most, each with a connection that is kept."""
    mix: Mapping[str, float] = field(default_factory=lambda: MIX)
    seed: int | None = None

    def requests_a_journey(self) -> float:
        total = sum(self.mix.values())
        return sum(share * len(JOURNEYS[name]) for name, share in self.mix.items()) / total


class Outcome(StrEnum):
    """What became of a request."""

    OK = "ok"
    REFUSED = "refused"
    """The application answered 4xx."""
    APPLICATION = "application error"
    """The application answered 5xx."""
    BALANCER = "load balancer error"
    """A 5xx that no application wrote."""
    NO_ANSWER = "no answer"
    """No connection, a broken one, or none within the user's patience."""
    GAVE_UP = "gave up"
    """Never sent: all users' places were taken for longer than a user waits."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One request as its user saw it."""

    journey: str
    method: str
    path: str
    at: float
    """Seconds after the beginning at which the user wanted it."""
    seconds: float
    """Until its answer was whole, or was given up."""
    status: int
    """0: no answer."""
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a run did."""

    plan: Plan
    samples: Sequence[Sample]
    began: float
    """Seconds since 1970."""
    lasted: float
    """Seconds from the first arrival's time to the last answer."""
    late: Sequence[float]
    """For each journey, seconds by which this program was late with it: its own slowness, not the server's."""
    interrupted: bool = False


def mix_of(shares: Sequence[str]) -> Mapping[str, float]:
    """The mix that ``prices=80 history=20`` means; ``WrongUse`` for what isn't like that."""
    mix: dict[str, float] = {}
    for each in shares:
        name, _, share = each.partition("=")
        try:
            mix[name] = float(share)
        except ValueError:
            raise WrongUse(f"--journey {each}: write NAME=SHARE, such as prices=80.") from None
    return mix


def day_weight(part: float) -> float:
    """The rate at a part of the day (0 to 1, from midnight in Sydney), relative to the day's mean."""
    place = (part % 1.0) * 24 - 0.5  # an hour's figure is that of its middle
    before = int(place // 1)
    share = place - before
    return (HOURS[before % 24] * (1 - share) + HOURS[(before + 1) % 24] * share) * 24 / sum(HOURS)


def arrivals(count: int, duration: float, shape: Shape, chance: random.Random) -> list[float]:
    """When each of so many users comes, in seconds from the beginning, sorted.

    Independent of each other, as people are: a Poisson process of the shape's rate, given its count.
    """
    if shape is Shape.FLAT:
        return sorted(duration * chance.random() for _ in range(count))
    steps = 24 * 60
    grown = [0.0, *itertools.accumulate(day_weight((step + 0.5) / steps) for step in range(steps))]
    found = []
    for _ in range(count):
        wanted = chance.random() * grown[-1]
        step = bisect.bisect_right(grown, wanted, hi=steps) - 1
        found.append(duration * (step + (wanted - grown[step]) / (grown[step + 1] - grown[step])) / steps)
    return sorted(found)


def check(plan: Plan) -> tuple[str, int]:
    """The host and port that a plan means; ``WrongUse`` where that isn't on this machine, or the plan out of bounds."""
    parts = urlsplit(plan.url)
    host, port = parts.hostname or "", parts.port or 80
    if not _is_loopback(host) or parts.scheme != "http":
        raise WrongUse(f"Traffic is only sent to this machine, and {plan.url} is not on it.")
    if plan.rate * plan.duration > MOST_REQUESTS:
        raise WrongUse(
            f"{plan.rate:g} requests a second for {plan.duration:g} s are more than {MOST_REQUESTS:,} requests. "
            "Take a lower --rate or a shorter --duration."
        )
    if not 1 <= plan.users <= MOST_USERS:
        raise WrongUse(f"{plan.users} users: 1 to {MOST_USERS} can be at the site at a time.")
    if unknown := set(plan.mix) - set(JOURNEYS):
        raise WrongUse(f'There is no journey "{min(unknown)}"; there are {", ".join(JOURNEYS)}.')
    if min(plan.mix.values(), default=0) < 0 or not sum(plan.mix.values()):
        raise WrongUse("The shares of the journeys must not be negative, and at least one must be more than 0.")
    return host, port


def send(plan: Plan, watch: Callable[[int, Counter[Outcome], float], None] | None = None) -> Traffic:
    """Send the plan's traffic and return what came back. Ctrl-C ends it early, with what was seen by then.

    ``watch`` is called about twice a second with the requests done, their outcomes, and the seconds gone.
    """
    host, port = check(plan)
    chance = random.Random(plan.seed)  # noqa: S311 - traffic, not a secret
    count = max(1, round(plan.rate * plan.duration / plan.requests_a_journey()))
    times = arrivals(count, plan.duration, plan.shape, chance)
    names = chance.choices(list(plan.mix), list(plan.mix.values()), k=count)
    run = _Run(began=time.monotonic())
    wall = time.time()
    users = [_User(host, port, random.Random(chance.random()), run) for _ in range(min(plan.users, count))]  # noqa: S311
    threads = [threading.Thread(target=user.live, daemon=True) for user in users]
    for thread in threads:
        thread.start()
    interrupted = False
    try:
        _let_come(run, list(zip(times, names, strict=True)), watch)
        run.close(len(threads))
        for thread in threads:
            while thread.is_alive():
                thread.join(0.5)
                if watch:
                    watch(len(run.samples), Counter(run.outcomes), time.monotonic() - run.began)
    except KeyboardInterrupt:
        interrupted = True
        run.stopped.set()
        run.close(len(threads))
        deadline = time.monotonic() + FAREWELL
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
    lasted = time.monotonic() - run.began
    return Traffic(plan, tuple(run.samples), wall, lasted, tuple(run.late), interrupted)


@dataclass(slots=True)
class _Run:
    """What the users share. Appending and counting in a list and a queue is safe between threads."""

    began: float
    comers: queue.SimpleQueue[tuple[float, str] | None] = field(default_factory=queue.SimpleQueue)
    samples: list[Sample] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def note(self, sample: Sample) -> None:
        self.samples.append(sample)
        self.outcomes.append(sample.outcome)

    def close(self, users: int) -> None:
        for _ in range(users):
            self.comers.put(None)


def _let_come(
    run: _Run,
    journeys: Sequence[tuple[float, str]],
    watch: Callable[[int, Counter[Outcome], float], None] | None,
) -> None:
    shown = 0.0
    for due, name in journeys:
        while (wait := run.began + due - time.monotonic()) > 0:
            time.sleep(min(wait, 0.25))
            if watch and time.monotonic() - shown >= 0.5:
                shown = time.monotonic()
                watch(len(run.samples), Counter(run.outcomes), shown - run.began)
        run.late.append(time.monotonic() - run.began - due)
        run.comers.put((due, name))


class _User:
    """One of the places at the site: a connection that is kept, and a portfolio once one was opened."""

    def __init__(self, host: str, port: int, chance: random.Random, run: _Run) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
        self._used = 0.0
        self._token = ""
        self._chance = chance
        self._run = run

    def live(self) -> None:
        while (comer := self._run.comers.get()) is not None:
            if not self._run.stopped.is_set():
                self._walk(*comer)
        self._connection.close()

    def _walk(self, due: float, name: str) -> None:
        steps = JOURNEYS[name]
        if any(step.own for step in steps) and not self._token and OPEN not in steps:
            steps = (OPEN, *steps)
        coin = self._chance.choice(COINS)
        for step in steps:
            if self._run.stopped.is_set():
                return
            sample = self._ask(name, step, coin, due)
            self._run.note(sample)
            if sample.outcome is not Outcome.OK and (step is steps[0] or step is OPEN):
                return  # no page, or no portfolio: the user has nothing to go on with
            due = time.monotonic() - self._run.began

    def _ask(self, journey: str, step: Step, coin: str, due: float) -> Sample:
        path = step.path.format(coin=coin)
        wanted = self._run.began + due
        if time.monotonic() - wanted > PATIENCE:
            reason = f"all users' places were taken for {PATIENCE:g} s"
            return Sample(journey, step.method, path, due, PATIENCE, 0, Outcome.GAVE_UP, reason)
        try:
            answer, body = self._exchange(step, path)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            reason = f"{type(error).__name__}: {error}"
            return Sample(journey, step.method, path, due, time.monotonic() - wanted, 0, Outcome.NO_ANSWER, reason)
        seconds = time.monotonic() - wanted
        if step is OPEN and answer.status == 201:
            self._token = json.loads(body)["token"]
        outcome = outcome_of(answer.status, bool(answer.headers.get("x-request-id")))
        reason = "" if outcome is Outcome.OK else " ".join(body[:200].decode(errors="replace").split())
        return Sample(journey, step.method, path, due, seconds, answer.status, outcome, reason)

    def _exchange(self, step: Step, path: str) -> tuple[http.client.HTTPResponse, bytes]:
        """One request and its answer. A kept connection that turns out closed is replaced once, as browsers do."""
        headers = {"Authorization": f"Bearer {self._token}"} if step.own else {}
        body = None
        if step is HOLD:
            body = json.dumps({"quantity": round(self._chance.uniform(0.01, 5), 4)})
            headers["Content-Type"] = "application/json"
        if time.monotonic() - self._used > IDLE:
            self._connection.close()
        kept = self._connection.sock is not None
        while True:
            try:
                self._connection.request(step.method, path, body, headers)
                answer = self._connection.getresponse()
                payload = answer.read()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                self._connection.close()
                if not kept or step.method == "POST":
                    raise
                kept = False
                continue
            self._used = time.monotonic()
            return answer, payload


def outcome_of(status: int, from_application: bool) -> Outcome:
    """Who made an answer: both applications put X-Request-Id on each of theirs, a load balancer never does."""
    if status < 400:
        return Outcome.OK
    if status < 500:
        return Outcome.REFUSED
    return Outcome.APPLICATION if from_application else Outcome.BALANCER


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
