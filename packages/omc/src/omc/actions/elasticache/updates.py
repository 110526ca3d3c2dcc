"""``elasticache.apply_update``: a service update of AWS's, on one replication group. It can't be undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from omc.actions.action import Action, Context, Outcome, Verdict, register
from omc.config import Environment
from omc.errors import AwsRefused
from omc.model.arguments.data_stores import ApplyUpdate
from omc.model.plan import Json

POLL_SECONDS = 10.0
BEGUN = frozenset({"waiting-to-start", "in-progress", "scheduling", "scheduled", "complete", "not-applicable"})
ENDED = frozenset({"complete", "not-applicable"})
GIVEN_UP = frozenset({"stopped"})


def _status(context: Context, arguments: ApplyUpdate) -> str:
    """Of the update on this group; empty where ElastiCache doesn't list it."""
    answer: Any = context.gateway.client("elasticache").describe_update_actions(
        ServiceUpdateName=arguments.update, ReplicationGroupIds=[arguments.group]
    )
    return next((str(each.get("UpdateActionStatus", "")) for each in answer["UpdateActions"]), "")


def _is_applied(context: Context, arguments: ApplyUpdate) -> bool:
    return _status(context, arguments) in BEGUN


def _apply(context: Context, arguments: ApplyUpdate) -> Mapping[str, Json]:
    answer: Any = context.gateway.client("elasticache").batch_apply_update_action(
        ReplicationGroupIds=[arguments.group], ServiceUpdateName=arguments.update
    )
    for each in answer.get("UnprocessedUpdateActions", ()):
        why = each.get("ErrorMessage") or each.get("ErrorType") or "ElastiCache gives no reason"
        raise AwsRefused(f"ElastiCache doesn't apply {arguments.update}: {why}.", str(each.get("ErrorType", "")))
    return {}


def _poll(context: Context, arguments: ApplyUpdate) -> Outcome | None:
    status = _status(context, arguments)
    if status in ENDED:
        sentence = f"The service update {arguments.update} of {arguments.group} is {status}."
        return Outcome(Verdict.SUCCEEDED, sentence, {"status": status})
    if status in GIVEN_UP:
        sentence = f"The service update {arguments.update} of {arguments.group} is {status}: somebody stopped it."
        return Outcome(Verdict.FAILED, sentence, {"status": status})
    context.report(f"{arguments.update} is {status or 'not listed'}")
    return None


def _commands(environment: Environment, arguments: ApplyUpdate) -> Sequence[str]:
    return [
        f"aws elasticache batch-apply-update-action --service-update-name {arguments.update} "
        f"--replication-group-ids {arguments.group} --region {environment.region}"
    ]


register(Action(ApplyUpdate, _apply, _is_applied, _poll, _commands, poll_interval=POLL_SECONDS))
