"""Which of the services that were found are one stack, and which environment each is in. Pure.

An environment is told by a tag, else by a word in a name (``acme-prod-api``, a cluster ``acme-staging``), else each
cluster is one. The words before it are the stack's name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from omc.adoption.model import Found, FoundCluster, FoundSchedule, FoundService

ENVIRONMENT_TAGS = ("environment", "env", "stage", "deploymentstage", "copilot-environment")
STACK_TAGS = ("application", "app", "project", "system", "copilot-application")
"""In small letters; people write them in any case."""
WORDS = frozenset(
    {
        *("production", "prod", "prd", "live"),
        *("staging", "stage", "stg", "preprod", "preproduction", "uat", "acceptance"),
        *("development", "develop", "dev", "test", "testing", "qa", "int", "integration", "sandbox", "demo", "preview"),
    }
)
"""Words of names that say an environment."""
USUAL_ENVIRONMENT = "production"
"""Where nothing says which it is: the careful choice, since approvals are wanted there."""
USUAL_NAME = "app"
LONGEST_NAME, LONGEST_IDENTIFIER = 21, 32
"""Of a stack's name and of an environment's or a service's in omc.toml."""


@dataclass(frozen=True, slots=True)
class Group:
    """The services of one stack in one environment."""

    stack: str
    environment: str
    """As omc.toml will have it."""
    word: str
    """As the names have it; empty where no name does."""
    why: str
    """How it is known: ``tag Environment of 3 services``."""
    services: Mapping[str, FoundService] = field(default_factory=dict)
    """By the name that omc.toml will have for it."""
    schedules: Mapping[str, FoundSchedule] = field(default_factory=dict)

    @property
    def clusters(self) -> tuple[str, ...]:
        """The one with most services first."""
        names = [each.cluster for each in self.services.values()]
        names += [each.cluster for each in self.schedules.values()]
        return tuple(name for name, _ in Counter(names).most_common())


@dataclass(frozen=True, slots=True)
class _Place:
    """What one service says of itself."""

    stack: str
    environment: str
    word: str
    why: str


def group(found: Found, name: str | None = None, environment: str | None = None) -> list[Group]:
    """The environments of all stacks, the largest stack first. ``name`` and ``environment`` are what a person calls
    them: they choose among what was found, and else name what was found."""
    clusters = {each.name: each for each in found.clusters}
    places = {(one.cluster, one.name): _place(one.name, one.tags, clusters.get(one.cluster)) for one in found.services}
    if name and all(each.stack != name for each in places.values()):
        places = {key: _Place(name, each.environment, each.word, each.why) for key, each in places.items()}
    if environment and all(each.environment != environment for each in places.values()):
        only = {(each.stack, each.environment) for each in places.values()}
        if len(only) == 1:
            places = {key: _Place(each.stack, environment, each.word, "as given") for key, each in places.items()}
    members: dict[tuple[str, str], list[FoundService]] = {}
    for one in found.services:
        place = places[one.cluster, one.name]
        members.setdefault((place.stack, place.environment), []).append(one)
    groups = []
    for (stack, label), services in members.items():
        own = [places[one.cluster, one.name] for one in services]
        word = Counter(each.word for each in own).most_common(1)[0][0]
        named = unique_names([one.name for one in services], stack, word)
        reason, times = Counter(each.why for each in own).most_common(1)[0]
        why = reason if times == len(own) else f"{reason} ({times} of {len(own)} services)"
        groups.append(
            Group(
                stack,
                label,
                word,
                why,
                dict(zip(named, services, strict=True)),
                _schedules(found, stack, label, clusters, places),
            )
        )
    size = Counter({stack: 0 for stack, _ in members})
    for each in groups:
        size[each.stack] += len(each.services)
    return sorted(groups, key=lambda each: (-size[each.stack], each.stack, each.environment))


def _schedules(
    found: Found,
    stack: str,
    environment: str,
    clusters: Mapping[str, FoundCluster],
    places: Mapping[tuple[str, str], _Place],
) -> dict[str, FoundSchedule]:
    """A schedule belongs where its own name says, else to the environment of the other services of its cluster."""
    chosen = []
    for one in found.schedules:
        place = _place(one.name.rpartition("/")[2], {}, clusters.get(one.cluster))
        beside = [each for (cluster, _), each in places.items() if cluster == one.cluster]
        known = {(each.stack, each.environment) for each in places.values()}
        if (place.stack, place.environment) not in known and beside:
            place = Counter(beside).most_common(1)[0][0]
        if (place.stack, place.environment) == (stack, environment):
            chosen.append((one, place.word))
    names = unique_names([one.name.rpartition("/")[2] for one, _ in chosen], stack, chosen[0][1] if chosen else "")
    return dict(zip(names, (one for one, _ in chosen), strict=True))


def _place(name: str, tags: Mapping[str, str], cluster: FoundCluster | None) -> _Place:
    cluster_name, cluster_tags = (cluster.name, cluster.tags) if cluster else ("", {})
    own, around = _split(name), _split(cluster_name)
    word = own[1] or around[1]
    stack = own[0] if own[1] and own[0] else around[0] if around[1] else ""
    stack = stack or _tag(tags, STACK_TAGS)[1] or _tag(cluster_tags, STACK_TAGS)[1]
    if not stack and cluster_name not in ("", "default") and not around[1]:
        stack = cluster_name
    for whose, some in (("", tags), (" of the cluster", cluster_tags)):
        key, value = _tag(some, ENVIRONMENT_TAGS)
        if label := identifier(value):
            return _Place(stack_name(stack), label, word, f"by the tag {key}{whose}")
    if word:
        where = f"{word} in names" if own[1] else f"{word} in the cluster's name"
        return _Place(stack_name(stack), identifier(word), word, f"by {where}")
    return _Place(stack_name(stack), USUAL_ENVIRONMENT, "", "a guess: no tag and no name says it")


def _tag(tags: Mapping[str, str], names: Sequence[str]) -> tuple[str, str]:
    by_small = {key.lower(): (key, value) for key, value in tags.items()}
    return next((by_small[name] for name in names if name in by_small and by_small[name][1]), ("", ""))


def _split(name: str) -> tuple[str, str]:
    """What stands before the word of an environment, and that word; both empty where there is none."""
    parts = re.split(r"([-_]+)", name)
    for number, part in enumerate(parts):
        if part.lower() in WORDS:
            return "".join(parts[: max(number - 1, 0)]), part
    return "", ""


def identifier(text: str) -> str:
    """A name as omc.toml takes it for an environment or a service; empty where nothing is left of it."""
    small = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if small and not small[0].isalpha():
        small = f"n{small}"
    return small[:LONGEST_IDENTIFIER].rstrip("-")


def stack_name(text: str) -> str:
    return identifier(text)[:LONGEST_NAME].rstrip("-") or USUAL_NAME


def unique_names(names: Sequence[str], stack: str, word: str) -> list[str]:
    """A short name for each: without the stack's and the environment's, as far as they stay different."""
    short = [_short(name, stack, word) for name in names]
    chosen: list[str] = []
    for name, candidate in zip(names, short, strict=True):
        options: Iterable[str] = [candidate] if short.count(candidate) == 1 else []
        numbered = (f"{(candidate or 'service')[: LONGEST_IDENTIFIER - 4]}-{number}" for number in range(2, 5000))
        for option in (*options, identifier(name), *numbered):
            if option and option not in chosen:
                chosen.append(option)
                break
    return chosen


def _short(name: str, stack: str, word: str) -> str:
    text = identifier(name)
    parts = text.split("-")
    lead = stack.split("-")
    if parts[: len(lead)] == lead and len(parts) > len(lead):
        parts = parts[len(lead) :]
    if word and word.lower() in parts and len(parts) > 1:
        parts.remove(word.lower())
    return identifier("-".join(parts)) or identifier(name) or "service"
