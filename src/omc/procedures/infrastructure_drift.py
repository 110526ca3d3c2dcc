"""Drift: where the environment is not what the code says, told apart by who made it so."""

from __future__ import annotations

from dataclasses import dataclass, replace

from omc.facts.infrastructure import SavedPlan
from omc.facts.terraform_json import Change, Difference, Does
from omc.procedures.infrastructure import OWNED


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
    filled_in: tuple[Change, ...]
    """Values that no code sets and that an apply leaves: most of them AWS fills in."""

    @property
    def is_none(self) -> bool:
        return not self.outside and not self.not_applied


def drift(plan: SavedPlan) -> Drift:
    """Sort what a plan found. ``terraform plan -refresh-only`` alone won't do: after a first apply it reports some
    sixty resources of which AWS merely filled in values."""
    touched = {change.address: change for change in plan.drift}
    changed = {change.address for change in plan.changes}
    outside: list[Change] = []
    not_applied: list[Change] = []
    for change in plan.changes:
        found = touched.get(change.address)
        if found is not None and found.does is Does.DESTROY:
            outside.append(found)
            continue
        both = _attributes(change) & _attributes(found) if found else set()
        if found and both:
            outside.append(_only(found, [one for one in found.differences if _attribute(one) in both]))
        rest = [one for one in change.differences if _attribute(one) not in both]
        if rest or not both:
            not_applied.append(_only(change, rest) if both else change)
    intended: list[Change] = []
    filled_in: list[Change] = []
    for change in plan.drift:
        owned = [one for one in change.differences if one.path in OWNED.get(change.kind, ())]
        if owned:
            intended.append(_only(change, owned))
        rest = [one for one in change.differences if one not in owned]
        if rest and change.address not in changed:
            filled_in.append(_only(change, rest))
    return Drift(
        outside=tuple(outside),
        not_applied=tuple(not_applied),
        intended=tuple(intended),
        filled_in=tuple(filled_in),
    )


def _attributes(change: Change) -> set[str]:
    return {_attribute(one) for one in change.differences}


def _attribute(difference: Difference) -> str:
    return difference.path.split(".")[0].split("[")[0]


def _only(change: Change, differences: list[Difference]) -> Change:
    return replace(change, differences=tuple(differences))
