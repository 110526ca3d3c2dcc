"""Drift: where the environment is not what the code says, told apart by who made it so."""

from __future__ import annotations

from dataclasses import dataclass

from omc.facts.infrastructure import SavedPlan
from omc.facts.terraform_json import Change, Difference, Does
from omc.procedures.infrastructure import OWNED


@dataclass(frozen=True, slots=True)
class Drift:
    """What a plan from the same code as was applied would find."""

    outside: tuple[Change, ...]
    """Changed by somebody outside of Terraform; an apply would change it back."""
    not_applied: tuple[Change, ...]
    """The code says otherwise and nobody touched the resource: not applied yet, or recorded since by another apply."""
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
    outside = [change for change in plan.changes if _is_outside(change, touched.get(change.address))]
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
        not_applied=tuple(change for change in plan.changes if change not in outside),
        intended=tuple(intended),
        filled_in=tuple(filled_in),
    )


def _is_outside(change: Change, found: Change | None) -> bool:
    """Whether what an apply would change was changed since the state recorded it."""
    if found is None:
        return False
    if found.does is Does.DESTROY:
        return True
    return bool({_attribute(one) for one in change.differences} & {_attribute(one) for one in found.differences})


def _attribute(difference: Difference) -> str:
    return difference.path.split(".")[0].split("[")[0]


def _only(change: Change, differences: list[Difference]) -> Change:
    from dataclasses import replace

    return replace(change, differences=tuple(differences))
