"""What an approval of a change of the infrastructure covers, once some of it has been applied."""

from __future__ import annotations

from collections.abc import Sequence

from omc.facts.terraform_json import Change, ChangeAction
from omc.model.arguments.terraform import ApprovedChange


def approved_changes(changes: Sequence[Change]) -> tuple[ApprovedChange, ...]:
    """What an approval covers, resource by resource."""
    return tuple(ApprovedChange(change.address, change.does.value) for change in changes)


def is_rest_of(rest: Sequence[Change], approved: Sequence[ApprovedChange]) -> list[str]:
    """The addresses of ``rest`` that the approval doesn't cover; none: it is what a cut-off apply left to do.

    A resource whose creation was cut off is made again: that is what was approved, and nothing was in it yet.
    """
    covered = {(one.address, one.does) for one in approved}
    return [
        change.address
        for change in rest
        if (change.address, change.does.value) not in covered
        and not (
            change.does is ChangeAction.REPLACE
            and change.reason == "replace_because_tainted"
            and {(change.instance, ChangeAction.CREATE.value), (change.instance, ChangeAction.REPLACE.value)} & covered
        )
        and not (
            change.does in {ChangeAction.CREATE, ChangeAction.DESTROY}
            and (change.instance, ChangeAction.REPLACE.value) in covered
        )
    ]
