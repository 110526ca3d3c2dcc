"""A plan of Terraform in words: what is added, changed, replaced, destroyed, what is lost by it, what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from omc.facts.differences import NOTHING
from omc.facts.infrastructure import SavedPlan
from omc.facts.terraform_json import UNKNOWN, Change, ChangeAction, Difference
from omc.model.plan import Detail, Json, fingerprint
from omc.output.text import counted
from omc.procedures.prices import Cost, monthly
from omc.procedures.resource_kinds import GRANTING, GRANTS, lost_with

SHOWN_CHARACTERS = 100
"""Of a value that changes, and of what differs in it; around that, so much of what is the same:"""
CONTEXT = 30
ALONE_CHARACTERS = 400
"""Of a value that is new or goes: there is nothing beside it to compare."""
SIGNS = {
    ChangeAction.CREATE: "+",
    ChangeAction.UPDATE: "~",
    ChangeAction.REPLACE: "-/+",
    ChangeAction.DESTROY: "-",
    ChangeAction.FORGET: "forget",
    ChangeAction.KEEP: "=",
    ChangeAction.UNKNOWN: "?",
}
COUNTED = {
    ChangeAction.CREATE: "added",
    ChangeAction.UPDATE: "changed",
    ChangeAction.REPLACE: "replaced",
    ChangeAction.DESTROY: "destroyed",
}
REASONS = {
    "replace_because_tainted": "its creation failed half-way",
    "replace_because_cannot_update": "it can't be changed in place",
    "replace_by_request": "asked for",
    "replace_by_triggers": "what it follows changes",
    "delete_because_no_resource_config": "no longer in the code",
    "delete_because_wrong_repetition": "the code has it with another kind of index",
    "delete_because_no_module": "its module is no longer in the code",
    "delete_because_no_move_target": "moved to an address that is not in the code",
    "delete_because_count_index": "its count became smaller",
    "delete_because_each_key": "its key is no longer in the code",
}
"""Terraform's words for why, in ours."""
EMPTY = frozenset({NOTHING, "null", '""', "false", "[]", "{}"})
"""Texts that say no more than no value: a replacement names none of what nobody sets."""


@dataclass(frozen=True, slots=True)
class DataLoss:
    """Something that no apply brings back."""

    address: str
    what: str
    does: ChangeAction
    forced_by: tuple[str, ...]
    """The values whose change forces the replacement."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a person reads before saying yes."""

    changes: tuple[Change, ...]
    losses: tuple[DataLoss, ...]
    cost: Cost
    outputs: tuple[str, ...]
    fingerprint: str
    """The same for two plans that change the same things in the same way, however often they are made."""
    output_values: tuple[Difference, ...] = ()
    invoked: tuple[str, ...] = ()
    """Actions that Terraform invokes."""
    is_partial: bool = False
    """The plan is not the whole change."""
    is_errored: bool = False
    """It was cut short by an error: what is in it says nothing of what isn't."""
    records: bool = False
    """It changes nothing, and the apply records the world in the state as it is (``-refresh-only``)."""

    @property
    def is_empty(self) -> bool:
        """Whether an apply would change neither the world nor the state."""
        return not (self.changes or self.outputs or self.invoked or self.records or self.is_errored)

    @property
    def counted(self) -> str:
        """``1 added, 2 changed, 0 replaced, 0 destroyed``, and what else there is."""
        parts = [f"{self._count(does)} {word}" for does, word in COUNTED.items()]
        unseen = [self.unseen] if self.unseen else []
        return ", ".join([*parts, *unseen]) + (" (ONLY A PART of the change)" if self.is_partial else "")

    @property
    def unseen(self) -> str:
        """What Terraform's own count of an apply leaves out: ``1 moved, 2 imported``."""
        more = {
            "moved": sum(bool(one.moved_from) for one in self.changes),
            "imported": sum(bool(one.imported) for one in self.changes),
            "forgotten": self._count(ChangeAction.FORGET) + sum(one.leaves_old_one for one in self.changes),
            "not known to omc": self._count(ChangeAction.UNKNOWN),
            "invoked": len(self.invoked),
        }
        parts = [f"{count} {word}" for word, count in more.items() if count]
        if self.outputs and not self.changes:
            parts.append(f"{len(self.outputs)} output{'s' * (len(self.outputs) > 1)} changed")
        if self.records:
            parts.append("the state is brought up to date with the world")
        return ", ".join(parts)

    def _count(self, does: ChangeAction) -> int:
        return sum(one.does is does for one in self.changes)


def summary(plan: SavedPlan) -> Summary:
    """The summary of a plan file."""
    losses = [
        DataLoss(
            change.address,
            what,
            change.does,
            tuple(difference.path for difference in change.differences if difference.forces_replacement),
        )
        for change in plan.changes
        if change.does in {ChangeAction.REPLACE, ChangeAction.DESTROY}
        and not change.leaves_old_one
        and (what := lost_with(change.kind))
    ]
    changes_nothing = not plan.changes and not plan.outputs and not plan.extent.invoked
    return Summary(
        changes=plan.changes,
        losses=tuple(losses),
        cost=monthly(plan.changes, plan.current, plan.region),
        outputs=plan.outputs,
        fingerprint=fingerprint(_bound_plan(plan)),
        output_values=plan.output_values,
        invoked=plan.extent.invoked,
        is_partial=plan.extent.is_partial,
        is_errored=plan.extent.errored,
        records=changes_nothing and plan.extent.applyable is True,
    )


def headline(change: Change) -> str:
    """``-/+ module.stack…aws_db_instance.this: storage_encrypted forces it to be replaced``."""
    forcing = list(dict.fromkeys(one.path for one in change.differences if one.forces_replacement))
    why = [REASONS.get(change.reason, change.reason.replace("_", " "))]
    if change.does is ChangeAction.REPLACE and forcing:
        why = [f"{', '.join(forcing)} force{'s' if len(forcing) == 1 else ''} it to be replaced"]
    if change.moved_from:
        why.append(f"has moved from {change.moved_from}")
    if change.imported:
        code = ", by code that Terraform wrote" if change.generated else ""
        why.append(f"is imported ({change.imported}){code}")
    if change.does is ChangeAction.FORGET:
        why.append("stays in AWS, and nothing manages or destroys it any more")
    if change.leaves_old_one:
        why.append("the old one stays in AWS, and nothing manages it any more")
    if change.instance != change.address:
        why.append("left by a replacement that was cut off")
    if change.does is ChangeAction.UNKNOWN:
        why.append(f"omc doesn't know what Terraform does here: {', '.join(change.actions) or 'nothing is said'}")
    sign = "+/-" if change.does is ChangeAction.REPLACE and change.actions[:1] == ("create",) else SIGNS[change.does]
    words = "; ".join(word for word in why if word)
    return f"{sign} {change.address}" + (f": {words}" if words else "")


def details(change: Change, *, full: bool = False) -> Iterator[str]:
    """One line a value that changes. ``full`` cuts nothing and also tells the values of what is new or goes."""
    yield from detail_lines(detail(change), full=full)


def detail(change: Change) -> Detail:
    """All that a change does, as an approval shows it."""
    shy = change.does in {ChangeAction.CREATE, ChangeAction.DESTROY} and (
        change.kind not in GRANTING or change.does is ChangeAction.DESTROY
    )
    values = []
    for one in change.differences:
        says = one.path.split(".")[0].split("[")[0] in GRANTS
        late = change.does in {ChangeAction.CREATE, ChangeAction.REPLACE} and one.after == UNKNOWN and not says
        none = change.does is ChangeAction.REPLACE and {one.before, one.after} <= EMPTY
        minor = not one.forces_replacement and (shy or late or none)
        values.append((one.path, one.before, one.after, _remark(one), minor))
    return Detail(headline(change), tuple(values))


def _remark(one: Difference) -> str:
    return "(forces the replacement)" if one.forces_replacement else ""


def detail_lines(detail: Detail, *, full: bool = False) -> Iterator[str]:
    """The lines below a headline."""
    for path, before, after, remark, minor in detail.values:
        if full or not minor:
            old, new = (before, after) if full else cut(before, after)
            yield f"{path}: {old} → {new}" + (f"  {remark}" if remark else "")


def cut(before: str, after: str) -> tuple[str, str]:
    """Two texts that differ, shortened so that all that differs stays: else they are left whole."""
    if max(len(before), len(after)) <= SHOWN_CHARACTERS:
        return before, after
    if NOTHING in (before, after):
        return _start(before), _start(after)
    least = min(len(before), len(after))
    start = next((at for at in range(least) if before[at] != after[at]), least)
    end = next((at for at in range(least - start) if before[-1 - at] != after[-1 - at]), least - start)
    if max(len(before), len(after)) - start - end > SHOWN_CHARACTERS:
        return before, after
    return _around(before, start, end), _around(after, start, end)


def _start(text: str) -> str:
    if len(text) <= ALONE_CHARACTERS:
        return text
    return f"{text[:ALONE_CHARACTERS]}… ({counted(len(text) - ALONE_CHARACTERS, 'more character')}: --full)"


def _around(text: str, start: int, end: int) -> str:
    first, last = max(0, start - CONTEXT), len(text) - max(0, end - CONTEXT)
    return f"{'…' if first else ''}{text[first:last]}{'…' if last < len(text) else ''}"


def document(plan: SavedPlan) -> dict[str, Json]:
    """The summary as JSON: free of secrets, whole, fit to be kept and compared."""
    response = summary(plan)
    return {
        "environment": plan.root,
        "fingerprint": response.fingerprint,
        "counts": response.counted,
        "partial": response.is_partial,
        "changes": [
            {
                "address": change.address,
                "does": change.does.value,
                "reason": change.reason,
                "moved_from": change.moved_from,
                "imported": change.imported,
                "differences": [_difference(difference) for difference in change.differences],
            }
            for change in response.changes
        ],
        "outputs": list(response.outputs),
        "output_differences": [_difference(difference) for difference in response.output_values],
        "deferred": list(plan.extent.deferred),
        "failed_checks": list(plan.extent.failed_checks),
        "invoked": list(response.invoked),
        "lost": [
            {"address": loss.address, "what": loss.what, "forced_by": list(loss.forced_by)} for loss in response.losses
        ],
        "cost": {
            "usd_a_month": round(response.cost.usd, 2),
            "parts": {address: round(usd, 2) for address, usd in response.cost.parts},
            "by_use": list(response.cost.by_use),
            "unknown": list(response.cost.unknown),
            "figures": response.cost.figures,
            "unconfirmed": response.cost.unconfirmed,
        },
    }


def _difference(one: Difference) -> dict[str, Json]:
    return {
        "path": one.path,
        "before": one.before,
        "after": one.after,
        "forces_replacement": one.forces_replacement,
    }


def _bound_plan(plan: SavedPlan) -> dict[str, Json]:
    """What of a plan is bound by the fingerprint: all that it does, and nothing that happens to stand beside."""
    bound: dict[str, Json] = {"environment": plan.root, "changes": [_bound(change) for change in plan.changes]}
    bound["outputs"] = [[one.path, one.before, one.after] for one in plan.output_values] or list(plan.outputs)
    bound["invoked"] = list(plan.extent.invoked)
    bound["partial"] = plan.extent.is_partial
    return bound


def _bound(change: Change) -> Json:
    return {
        "address": change.address,
        "does": change.does.value,
        "actions": list(change.actions),
        "moved_from": change.moved_from,
        "imported": change.imported,
        "values": dict(change.after) if change.does is ChangeAction.CREATE else None,
        "differences": [
            [difference.path, difference.before, difference.after, difference.forces_replacement]
            for difference in change.differences
            if change.does is not ChangeAction.DESTROY and not _is_by_the_way(change, difference)
        ],
    }


def _is_by_the_way(change: Change, one: Difference) -> bool:
    """What AWS and deployments may change between two plans of the same: of what goes, the values that it had."""
    return change.does is ChangeAction.REPLACE and one.after == UNKNOWN and not one.forces_replacement
