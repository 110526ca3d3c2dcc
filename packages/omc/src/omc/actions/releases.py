"""``releases.record``: write what serves now into the release ledger: verified, in doubt, or back in service.

Outputs: ``number``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from omc.actions.action import Action, Context, Outcome, Verdict, register
from omc.config import Environment
from omc.errors import Unknown
from omc.facts.definitions import describe_definitions
from omc.facts.services import short_name
from omc.model.arguments.base import known
from omc.model.arguments.releases import RecordRelease
from omc.model.plan import Json
from omc.model.releases import Release, ReleasedService
from omc.redaction import without_secrets
from omc.store import releases


def _is_applied(context: Context, arguments: RecordRelease) -> bool:
    if known := releases.release_of_run(context.store, context.run):
        context.checkpoint(_remembered(known))
    return known is not None


def _apply(context: Context, arguments: RecordRelease) -> Mapping[str, Json]:
    names = {service: short_name(known(revision)) for service, revision in arguments.services.items()}
    found = describe_definitions(context.gateway, list(names.values()))
    if missing := [name for name in names.values() if name not in found]:
        raise Unknown(f"ECS doesn't show {', '.join(missing)}, which the release consists of.")
    services = {
        service: ReleasedService(
            name, dict(found[name].images), without_secrets(found[name].body), arguments.commits.get(service, "")
        )
        for service, name in names.items()
    }
    release = releases.record(
        context.store,
        context.environment.name,
        context.run,
        services,
        schema=known(arguments.schema),
        schema_floor=known(arguments.schema_floor),
        proof=known(arguments.proof),
    )
    return _remembered(release)


def _remembered(release: Release) -> dict[str, Json]:
    return {
        "number": release.number,
        "doubt": release.doubt,
        "is_rollback": release.is_rollback,
        "unhealthy": str(release.proof.get("unhealthy", "")),
    }


def _poll(context: Context, arguments: RecordRelease) -> Outcome:
    number = context.state["number"]
    names = ", ".join(f"{service} {short_name(known(name))}" for service, name in sorted(arguments.services.items()))
    doubt = context.state.get("doubt", "" if context.state.get("watched", True) else "unwatched")
    became = f"runs, {doubt}" if doubt else "is verified"
    if context.state.get("is_rollback"):
        became = "is back in service"
    sentence, verdict = f"Release {number} of {context.environment.name} {became}: {names}.", Verdict.SUCCEEDED
    if why := context.state.get("unhealthy"):
        verdict = Verdict.UNKNOWN  # what was there before is no better, so nothing is undone
        sentence += (
            f" It is {str(why).rstrip('.')}. It was left in place. See what is wrong: omc check morning --env "
            f"{context.environment.name}. To go back: omc rollback --env {context.environment.name}"
        )
    return Outcome(verdict, sentence, {"number": number}, {"number": number})


def _commands(environment: Environment, arguments: RecordRelease) -> Sequence[str]:
    return []


ACTION = register(Action(RecordRelease, _apply, _is_applied, _poll, _commands))
