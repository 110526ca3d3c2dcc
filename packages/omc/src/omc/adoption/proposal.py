"""What an omc.toml that is there would say if it said what AWS has: the same file with the keys that differ. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import Path

from omc.adoption.differences import Compared, Difference, compare
from omc.adoption.draft import SERVICE_KEYS, VARYING, resolved, same
from omc.adoption.editing import amended, with_table
from omc.adoption.grouping import Group
from omc.adoption.judgement import SCALING_KEYS, service_values
from omc.adoption.model import Found
from omc.config import Environment, Stack, parse
from omc.errors import StackError


@dataclass(slots=True)
class Proposal:
    """A file's text as it would be, and what it can't say."""

    text: str
    compared: list[Compared] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)
    """Sentences: differences that a person has to decide."""
    elsewhere: list[str] = field(default_factory=list)
    """Environments of the file that nothing here belongs to."""


def environments_here(stack: Stack, found: Found, *, is_local: bool) -> tuple[list[Environment], list[str]]:
    """Those of the file that this account and region may hold, and the names of the others."""
    here, elsewhere = [], []
    clusters = {each.name for each in found.clusters}
    for environment in stack.environments.values():
        fits = environment.region == found.region and environment.account in (None, found.account)
        fits = fits and environment.is_local == is_local
        named = {environment.cluster, *(each.cluster for each in environment.services)}
        if fits and (environment.account or named & clusters):
            here.append(environment)
        else:
            elsewhere.append(environment.name)
    return here, elsewhere


def propose(stack: Stack, text: str, file: Path, found: Found, groups: Sequence[Group], *, is_local: bool) -> Proposal:
    """The differences of every environment that is here, and services that the file doesn't name, as far as they are
    this stack's by their names."""
    here, elsewhere = environments_here(stack, found, is_local=is_local)
    proposal = Proposal(text, elsewhere=elsewhere)
    for environment in here:
        compared = compare(stack, text, environment, found)
        proposal.compared.append(compared)
        for together in _together(compared.differences):
            changed: str | None = proposal.text
            for one in together:
                changed = amended(changed, one.path, one.write) if changed and one.write is not None else None
            if changed is not None and _loads(changed, file):
                proposal.text = changed
            else:
                proposal.by_hand += [_by_hand(file, one) for one in together]
        _add_services(proposal, stack, environment, found, file, groups)
    return proposal


def _together(differences: Sequence[Difference]) -> list[list[Difference]]:
    """Limits and targets of a service are said all or none, so they change in one go."""
    groups: dict[tuple[str, ...], list[Difference]] = {}
    for one in differences:
        groups.setdefault(one.path[:-1] if one.path[-1] in SCALING_KEYS else one.path, []).append(one)
    return list(groups.values())


def _by_hand(file: Path, one: Difference) -> str:
    advice = f"{one.advice[0].upper()}{one.advice[1:]}"
    return f"{file.name}, line {one.line}: {one.key} is {one.says}; AWS has {one.has}. {advice.rstrip('.')}."


def _loads(text: str, file: Path) -> bool:
    try:
        parse(text, file)
    except StackError:
        return False
    return True


def _add_services(
    proposal: Proposal, stack: Stack, environment: Environment, found: Found, file: Path, groups: Sequence[Group]
) -> None:
    unnamed = {(each.cluster, each.name) for each in proposal.compared[-1].unnamed}
    known = {name for each in stack.environments.values() for name in (service.name for service in each.services)}
    for group in groups:
        own = {(each.cluster, each.name) for each in group.services.values()}
        mine = {(each.cluster, each.ecs_service) for each in environment.services}
        if not own & mine and (group.stack, group.environment) != (stack.name, environment.name):
            continue
        for name, service in group.services.items():
            if (service.cluster, service.name) not in unnamed or name in known:
                continue
            text = with_table(proposal.text, ("services", name))
            for other in stack.environments:
                if other != environment.name:
                    text = amended(text, ("environments", other, "services", name, "absent"), True) or text
            several = len(stack.environments) > 1
            place = ("environments", environment.name, "services", name) if several else ("services", name)
            values = service_values(found, service)
            for key in VARYING:
                if key in values:
                    text = amended(text, (*place, key), values[key].value, values[key].note) or text
            if not _loads(text, file):
                continue
            usual = parse(text, file).environments[environment.name].service_named(name)
            for key in SERVICE_KEYS:
                if key in values and key not in VARYING and not same(resolved(usual, key), values[key].value):
                    text = amended(text, (*place, key), values[key].value, values[key].note) or text
            if _loads(text, file):
                proposal.text = text


def difference(before: str, after: str, name: str) -> list[str]:
    """Lines of a unified diff, which ``patch`` takes; none where nothing differs."""
    return list(
        unified_diff(before.splitlines(), after.splitlines(), f"{name}", f"{name} (omc init)", lineterm="", n=2)
    )
