"""AWS failing on purpose: throttled, broken, slow, silent, lost or cut-off answers to chosen operations.

The rules live in memory and are set through ``POST /_localcloud/faults``, so that a client is tested against an AWS
that misbehaves without knowing that it is rehearsing. A fault of the stack may add rules of its own, under its name.
Other faults of the *stack* (a bad image, a lock) are not here.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from localcloud.core.registry import AwsError, Call
from localcloud.front.rate_limits import RateLimits
from localcloud.front.stale_reads import StaleReads

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

KINDS = ("throttle", "500", "timeout", "truncate", "slow", "lost")
"""``timeout`` does nothing and stays silent; ``lost`` does what was asked and then stays silent."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule: which calls, what happens to them, how often."""

    service: str
    """botocore's name, or ``*``."""
    operation: str
    """botocore's name; ``*`` and ``?`` are wildcards."""
    kind: str
    count: int | None = None
    """How many calls it hits before it is spent; None: until it is removed."""
    probability: float = 1.0
    containing: str = ""
    """Only calls with this text somewhere in their parameters."""
    seconds: float = 2.0
    """How long ``slow`` delays, and how long ``timeout`` and ``lost`` stay silent."""

    def hits(self, call: Call) -> bool:
        named = fnmatchcase(call.service, self.service) and fnmatchcase(call.operation, self.operation)
        return named and self.containing in str(call.params)


MOST_SECONDS = 600.0
MOST_CALLS = 1_000_000
MAX_LENGTH = 1000
"""Characters of a name or a text."""


def fault(rule: Any) -> Fault:
    """A rule from JSON. Raises ``AwsError`` that says what is wrong with it."""
    known = set(Fault.__slots__)
    if not isinstance(rule, dict) or not set(rule) <= known or "kind" not in rule:
        raise AwsError("ValidationError", f"A fault needs a kind and has only the keys {', '.join(sorted(known))}.")
    made = Fault(**{"service": "*", "operation": "*", **rule})
    if made.kind not in KINDS:
        raise AwsError("ValidationError", f"There is no fault {str(made.kind)[:80]!r}; there are {', '.join(KINDS)}.")
    for name in ("service", "operation", "containing"):
        text = getattr(made, name)
        if not isinstance(text, str) or len(text) > MAX_LENGTH:
            raise AwsError("ValidationError", f"A fault's {name} is a text of at most {MAX_LENGTH} characters.")
    count = made.count
    if count is not None and not (type(count) is int and 1 <= count <= MOST_CALLS):
        raise AwsError("ValidationError", f"A fault's count is a whole number from 1 to {MOST_CALLS}, or null.")
    for name, most in (("probability", 1.0), ("seconds", MOST_SECONDS)):
        value = getattr(made, name)
        if type(value) not in (int, float) or not 0 <= value <= most:  # no NaN either
            raise AwsError("ValidationError", f"A fault's {name} is a number from 0 to {most:g}.")
    return made


class Faults:
    """The rules in force. ``take`` is asked once per call and spends a rule's count."""

    name = "faults"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[tuple[str, Fault]] = []
        """With their owners: a named fault's rules and those of a test don't replace each other."""
        self.rate_limits = RateLimits()
        self.stale_reads = StaleReads()
        self._random = random.Random(0)  # noqa: S311 — not a secret; the same run breaks the same calls

    def start(self, cloud: Cloud) -> None:
        pass

    def dump(self) -> None:
        return None

    def load(self, state: Any) -> None:
        pass

    def stop(self) -> None:
        pass

    def replace(self, rules: Iterable[Fault]) -> None:
        """These instead of the rules that have no owner."""
        self.add(rules, "")

    def add(self, rules: Iterable[Fault], owner: str) -> None:
        """These instead of whatever the owner had in force. Not saved with the cloud: add them again after a restart
        (see ``owned``)."""
        made = [(owner, rule) for rule in rules]
        with self._lock:
            self._rules = [held for held in self._rules if held[0] != owner] + made

    def join(self, rules: Iterable[Fault]) -> None:
        """These too, beside all that is in force."""
        made = [("", rule) for rule in rules]
        with self._lock:
            self._rules = self._rules + made

    def remove(self, owner: str) -> None:
        """Nothing of the owner's is in force any more."""
        self.add((), owner)

    def owned(self, owner: str) -> list[Fault]:
        """The owner's rules that aren't spent."""
        with self._lock:
            return [rule for held, rule in self._rules if held == owner]

    def listed(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(rule) | ({"owner": owner} if owner else {}) for owner, rule in self._rules]

    def take(self, call: Call) -> Fault | None:
        with self._lock:
            for position, (owner, rule) in enumerate(self._rules):
                if not rule.hits(call) or self._random.random() >= rule.probability:
                    continue
                if rule.count is not None:
                    left = rule.count - 1
                    kept = [(owner, replace(rule, count=left))] if left > 0 else []
                    self._rules[position : position + 1] = kept
                return rule
        return None


def throttled(protocol: str, service: str = "") -> AwsError:
    """As the service words it: EC2 has a code of its own, S3 asks to slow down."""
    if protocol == "ec2":
        return AwsError("RequestLimitExceeded", "Request limit exceeded.", 503)
    if service == "s3":
        return AwsError("SlowDown", "Please reduce your request rate.", 503)
    if protocol in ("query", "rest-xml"):
        return AwsError("Throttling", "Rate exceeded")
    return AwsError("ThrottlingException", "Rate exceeded")
