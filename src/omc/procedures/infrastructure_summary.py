"""A plan of Terraform in words: what is added, changed, replaced, destroyed, what is lost by it, what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from omc.facts.infrastructure import SavedPlan
from omc.facts.terraform_json import UNKNOWN, Change, Does
from omc.procedures.plan import Json, fingerprint
from omc.procedures.prices import Cost, monthly
from omc.procedures.resource_kinds import lost_with

SHOWN_CHARACTERS = 100
"""Of a value; a policy or a dashboard is thousands long."""
SIGNS = {Does.CREATE: "+", Does.UPDATE: "~", Does.REPLACE: "-/+", Does.DESTROY: "-", Does.FORGET: "forget"}
REASONS = {
    "replace_because_tainted": "its creation failed half-way",
    "replace_by_request": "asked for",
    "delete_because_no_resource_config": "no longer in the code",
    "delete_because_no_module": "its module is no longer in the code",
    "delete_because_count_index": "its count became smaller",
    "delete_because_each_key": "its key is no longer in the code",
}
"""Terraform's words for why, in ours."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that no apply brings back."""

    address: str
    what: str
    does: Does
    forced_by: tuple[str, ...]
    """The values whose change forces the replacement."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a person reads before saying yes."""

    changes: tuple[Change, ...]
    losses: tuple[Loss, ...]
    cost: Cost
    outputs: tuple[str, ...]
    fingerprint: str
    """The same for two plans that change the same things in the same way, however often they are made."""

    @property
    def is_empty(self) -> bool:
        return not self.changes and not self.outputs

    @property
    def counted(self) -> str:
        """``1 added, 2 changed, 0 replaced, 0 destroyed``."""
        words = {Does.CREATE: "added", Does.UPDATE: "changed", Does.REPLACE: "replaced", Does.DESTROY: "destroyed"}
        return ", ".join(f"{sum(one.does is does for one in self.changes)} {word}" for does, word in words.items())


def summary(plan: SavedPlan) -> Summary:
    """The summary of a plan file."""
    losses = [
        Loss(
            change.address,
            what,
            change.does,
            tuple(difference.path for difference in change.differences if difference.forces_replacement),
        )
        for change in plan.changes
        if change.does in {Does.REPLACE, Does.DESTROY} and (what := lost_with(change.kind))
    ]
    return Summary(
        changes=plan.changes,
        losses=tuple(losses),
        cost=monthly(plan.changes, plan.standing),
        outputs=plan.outputs,
        fingerprint=fingerprint({"environment": plan.root, "changes": [_bound(change) for change in plan.changes]}),
    )


def headline(change: Change) -> str:
    """``-/+ module.stack…aws_db_instance.this: storage_encrypted forces it to be replaced``."""
    forcing = [difference.path for difference in change.differences if difference.forces_replacement]
    why = REASONS.get(change.reason, "")
    if change.does is Does.REPLACE and forcing:
        why = f"{', '.join(forcing)} force{'s' if len(forcing) == 1 else ''} it to be replaced"
    return f"{SIGNS[change.does]} {change.address}" + (f": {why}" if why else "")


def details(change: Change) -> Iterator[str]:
    """One line a value that changes."""
    for difference in change.differences:
        if difference.after != UNKNOWN or difference.forces_replacement:
            forced = "  (forces the replacement)" if difference.forces_replacement else ""
            yield f"{difference.path}: {short(difference.before)} -> {short(difference.after)}{forced}"


def short(text: str) -> str:
    """A value in one short line."""
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}…"


def document(plan: SavedPlan) -> dict[str, Json]:
    """The summary as JSON: free of secrets, fit to be kept and compared."""
    said = summary(plan)
    return {
        "environment": plan.root,
        "fingerprint": said.fingerprint,
        "counts": said.counted,
        "changes": [
            {
                "address": change.address,
                "does": change.does.value,
                "reason": change.reason,
                "differences": [
                    {
                        "path": difference.path,
                        "before": short(difference.before),
                        "after": short(difference.after),
                        "forces_replacement": difference.forces_replacement,
                    }
                    for difference in change.differences
                ],
            }
            for change in said.changes
        ],
        "outputs": list(said.outputs),
        "lost": [
            {"address": loss.address, "what": loss.what, "forced_by": list(loss.forced_by)} for loss in said.losses
        ],
        "cost": {
            "usd_a_month": round(said.cost.usd, 2),
            "parts": {address: round(usd, 2) for address, usd in said.cost.parts},
            "by_use": list(said.cost.by_use),
            "unknown": list(said.cost.unknown),
            "figures": said.cost.figures,
            "unconfirmed": said.cost.unconfirmed,
        },
    }


def approved_changes(changes: Sequence[Change]) -> list[Json]:
    """What an approval covers, resource by resource."""
    return [{"address": change.address, "does": change.does.value} for change in changes]


def is_rest_of(rest: Sequence[Change], approved: Sequence[Json]) -> list[str]:
    """The addresses of ``rest`` that the approval doesn't cover; none: it is what a cut-off apply left to do.

    A resource whose creation was cut off is made again: that is what was approved, and nothing was in it yet.
    """
    covered = {(one["address"], one["does"]) for one in approved if isinstance(one, dict)}
    return [
        change.address
        for change in rest
        if (change.address, change.does.value) not in covered
        and not (
            change.does is Does.REPLACE
            and change.reason == "replace_because_tainted"
            and {(change.address, Does.CREATE.value), (change.address, Does.REPLACE.value)} & covered
        )
        and not (change.does in {Does.CREATE, Does.DESTROY} and (change.address, Does.REPLACE.value) in covered)
    ]


def _bound(change: Change) -> Json:
    """What of a change is bound by the fingerprint: all that it does, and nothing that happens to stand beside."""
    return {
        "address": change.address,
        "does": change.does.value,
        "values": dict(change.after) if change.does is Does.CREATE else None,
        "differences": [
            [difference.path, difference.before, difference.after, difference.forces_replacement]
            for difference in change.differences
        ],
    }
