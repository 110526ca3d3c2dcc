"""Drift: where the environment is not what the code says, told apart by who made it so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from omc.config import Environment
from omc.facts.beside_terraform import BesideTerraform, Extra
from omc.facts.infrastructure import SavedPlan
from omc.facts.pending import Pending, PendingChange, Waits
from omc.facts.releases import Ledger
from omc.facts.scaling import Scaling
from omc.facts.services import EcsService, Services
from omc.facts.temporary import Temporary
from omc.facts.terraform_json import Change, ChangeAction, Difference
from omc.facts.trail import Author
from omc.model.releases import Release
from omc.output.text import counted
from omc.procedures.infrastructure import NOTHING_TEMPORARY, owned_by_deployments
from omc.procedures.temporary import named, scaled_by
from omc.procedures.temporary import only as _only
from omc.times import format_time


@dataclass(frozen=True, slots=True)
class Drift:
    """What a plan from the same code as was applied would find."""

    outside: tuple[Change, ...]
    """Changed by somebody outside of Terraform, from what was to what is now; an apply would change it back."""
    not_applied: tuple[Change, ...]
    """What an apply would change, from what is now to what the code says.

    The code says otherwise and nobody touched the resource: not applied yet, or recorded since by another apply.
    """
    intended: tuple[Change, ...]
    """Set by deployments and the autoscaler, as they should; an apply leaves it."""
    computed: tuple[Change, ...]
    """Values that no code sets and that an apply leaves: most of them AWS fills in."""
    for_a_while: tuple[tuple[Change, str], ...] = ()
    """What omc itself changed for a while, each with who and until when; from what was to what is now."""
    beside: tuple[Extra, ...] = ()
    """What stands beside the managed things, and Terraform doesn't see; an apply leaves it."""
    pending: tuple[PendingChange, ...] = ()
    """What AWS has put off, and will make otherwise than the code says; from what is to what will be."""
    coming: tuple[PendingChange, ...] = ()
    """What AWS has put off, and will make as the code says."""
    deployed: tuple[str, ...] = ()
    """Sentences about what `ignore_changes` hides from Terraform and is not as it should be."""
    releases: tuple[str, ...] = ()
    """Sentences about the releases of omc's that run."""
    authors: Mapping[str, Author] = field(default_factory=dict)
    """Who last changed what was changed outside of Terraform, by address."""
    unknown: tuple[str, ...] = ()
    """What could not be asked."""

    @property
    def is_none(self) -> bool:
        """Nothing was found. With something unknown that is not to say that there is nothing."""
        return not (self.outside or self.not_applied or self.beside or self.pending or self.deployed)


def drift(
    plan: SavedPlan,
    *,
    environment: Environment | None = None,
    temporary: Temporary = NOTHING_TEMPORARY,
    beside: BesideTerraform | None = None,
    pending: Pending | None = None,
) -> Drift:
    """Sort what a plan found, and what was read beside it."""
    found = _of_plan(plan)
    if environment is None:
        return found
    outside: list[Change] = []
    for_a_while: list[tuple[Change, str]] = []
    for change in found.outside:
        mine, words = named(change, temporary, environment)
        if mine:
            for_a_while.append((_only(change, mine), words))
        if rest := [one for one in change.differences if one not in mine]:
            outside.append(_only(change, rest))
    waiting = pending.changes if pending else ()
    coming = tuple(one for one in waiting if _is_as_the_code_says(one, plan))
    unknown = [*(beside.unknown if beside else ())]
    if temporary.unknown:
        unknown.append(f"omc's temporary changes: {temporary.unknown}")
    return replace(
        found,
        outside=tuple(outside),
        for_a_while=tuple(for_a_while),
        beside=beside.extras if beside else (),
        pending=tuple(one for one in waiting if one not in coming),
        coming=coming,
        authors={change.address: by for change in outside if (by := scaled_by(change, temporary))},
        unknown=tuple(unknown),
    )


def read_beside_the_plan(pending: Pending, services: Services, scaling: Scaling) -> None:
    """Names what is to be read for ``drift`` and ``not_as_deployed``, by its parameters."""


def _is_as_the_code_says(waiting: PendingChange, plan: SavedPlan) -> bool:
    """Terraform would make exactly this change, or it is no value of the code's at all (a reboot that is due)."""
    if waiting.waits is Waits.REBOOT:
        return True
    one = waiting.difference
    return any(
        (change.before.get("identifier") or change.before.get("replication_group_id")) == waiting.identifier
        and any((each.path, each.after) == (one.path, one.after) for each in change.differences)
        for change in plan.changes
    )


def not_as_deployed(
    plan: SavedPlan, services: Services, scaling: Scaling | None, ledger: Ledger | None
) -> Iterator[str]:
    """What `ignore_changes` leaves to deployments and the autoscaler, where it is neither's doing.

    ``scaling`` is None where it could not be read; ``not_known`` says what that leaves open.
    """
    known = {f"{values.get('family')}:{values.get('revision')}" for values in plan.current.values()}
    for service in services.services:
        target = scaling.of(service.name) if scaling else None
        if target and not target.minimum <= service.desired <= target.maximum:
            yield (
                f"{service.name} wants {counted(service.desired, 'task')}, outside of its autoscaler's limits "
                f"{target.minimum}-{target.maximum}, which it hasn't brought back."
            )
        if service.task_definition in known:
            continue
        release = _release(ledger, service)
        if release is None:
            where = "omc's record has no release with it" if ledger else "there is no record of omc's here to ask"
            yield f"{service.name} runs {service.task_definition}, which Terraform doesn't know, and {where}."


NOT_KNOWN: Mapping[type, str] = {
    Pending: "what AWS has scheduled for later",
    Services: "which revisions the services run, and how many tasks",
    Scaling: "whether the services' counts are within their autoscalers' limits",
}
"""What stays open without a reading that Terraform doesn't make."""


def not_known(fact: type, why: str) -> str:
    return f"{NOT_KNOWN.get(fact, fact.__name__)}: {why}"


def releases_that_run(services: Services, ledger: Ledger | None, environment: Environment) -> Iterator[str]:
    """Revisions that Terraform doesn't know, by the releases that brought them."""
    for service in services.services:
        release = _release(ledger, service)
        if release:
            at = format_time(release.verified, environment.time_zone)
            yield (
                f"{service.name} runs {service.task_definition}: omc's release {release.number} by {release.who}, "
                f"{release.status} {at} (run {release.run})."
            )


def _release(ledger: Ledger | None, service: EcsService) -> Release | None:
    for release in ledger.releases if ledger else ():
        found = release.services.get(service.name)
        if found and found.task_definition == service.task_definition:
            return release
    return None


def _of_plan(plan: SavedPlan) -> Drift:
    """Sort what a plan found. ``terraform plan -refresh-only`` alone won't do: after a first apply it reports some
    sixty resources of which AWS merely filled in values."""
    touched = {change.address: change for change in plan.drift}
    changed = {change.address for change in plan.changes}
    outside: list[Change] = []
    not_applied: list[Change] = []
    for change in plan.changes:
        found = touched.get(change.address)
        if found is not None and found.does is ChangeAction.DESTROY:
            outside.append(found)
            continue
        both = _attributes(change) & _attributes(found) if found else set()
        if found and both:
            outside.append(_only(found, [one for one in found.differences if _attribute(one) in both]))
        rest = [one for one in change.differences if _attribute(one) not in both]
        if rest or not both:
            not_applied.append(_only(change, rest) if both else change)
    intended: list[Change] = []
    computed: list[Change] = []
    for change in plan.drift:
        owned = owned_by_deployments(change)
        if owned:
            intended.append(_only(change, owned))
        rest = [one for one in change.differences if one not in owned]
        if rest and change.address not in changed:
            computed.append(_only(change, rest))
    return Drift(
        outside=tuple(outside),
        not_applied=tuple(not_applied),
        intended=tuple(intended),
        computed=tuple(computed),
    )


def _attributes(change: Change) -> set[str]:
    return {_attribute(one) for one in change.differences}


def _attribute(difference: Difference) -> str:
    return difference.path.split(".")[0].split("[")[0]
