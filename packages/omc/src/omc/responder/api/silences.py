"""Silences: what one would hold, making one, ending it, moving its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from omc.config import Environment
from omc.errors import Missing, WrongUse
from omc.model.matchers import FORM, parse_all
from omc.model.silences import MAX_LENGTH, Created, Silence
from omc.responder import records
from omc.responder.alerts_document import preview_document, silences_document
from omc.responder.api.answers import DOCUMENT, Answer, Answerer, Seen, require_version
from omc.responder.api.callers import Reader
from omc.responder.api.changes import Changing
from omc.responder.api.context import ApiContext, Chosen, Context
from omc.responder.api.shapes import WHOLE, Body, Moment, Sentence
from omc.responder.rules import rules_of

router = APIRouter(prefix="/v1/environments/{environment}/silences", tags=["silences"])
MAX_MINUTES = int(MAX_LENGTH.total_seconds()) // 60
Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="The silence's number in its environment.")]
Condition = Annotated[str, Field(pattern=f"^{FORM}$", max_length=400, examples=["name=rds-*", "severity!=3"])]
Conditions = Annotated[list[Condition], Field(min_length=1, max_length=20)]
Minutes = Annotated[int, Field(ge=1, le=MAX_MINUTES), WHOLE]


class SilencesShape(BaseModel):
    """The fields of `omc alerts silences --output json`."""

    model_config = ConfigDict(title="Silences", extra="allow")

    next: str | None
    """The cursor of the next page; null on the last one."""


class PreviewShape(BaseModel):
    """What fires now and meets all conditions."""

    model_config = ConfigDict(title="SilencePreview", extra="allow")


class ConditionsBody(Body):
    conditions: Conditions


class SilenceBody(Body):
    conditions: Conditions
    """All of them must hold."""
    minutes: Minutes | None = None
    until: Moment | None = None
    """In place of minutes."""
    reason: Sentence
    owner: Sentence | None = None
    """Whom to ask about it; without, whoever makes it."""
    ends_with_alert: Annotated[bool, Field(strict=True)] = False
    """It is over as soon as nothing that it holds fires any more."""


class EndBody(Body):
    why: Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")] = ""


class ExtendBody(Body):
    minutes: Minutes | None = None
    """From now."""
    until: Moment | None = None


@router.get("", summary="The silences that hold", response_model=SilencesShape, responses=DOCUMENT)
def list_silences(
    context: Context,
    _: Reader,
    environment: Chosen,
    answer: Answer,
    state: Annotated[Literal["holding", "all"], Query(description="`all`: also those that are over.")] = "holding",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[
        str | None, Query(pattern=r"^b[1-9][0-9]{0,9}$", description="`next` of the page before.")
    ] = None,
) -> Any:
    """The newest first. A page begins below the number where the one before ended."""
    everything, now = state == "all", context.store.now()
    below = int(cursor[1:]) if cursor else 2**31
    found = [
        each
        for each in records.silences_of(context.store, environment.name)
        if each.number < below and (everything or each.is_active(now))
    ]
    page = found[:limit]
    following = f"b{page[-1].number}" if len(found) > limit else None
    return _answered(context, environment, answer, page, now, following, everything=everything)


@router.get("/{silence}", summary="One silence", response_model=SilencesShape, responses=DOCUMENT)
def show(context: Context, _: Reader, environment: Chosen, silence: Number, answer: Answer) -> Any:
    """Its ETag is what a change of it names in `If-Match`."""
    return _one(context, environment, answer, _found(context, environment, silence))


@router.post("/preview", summary="What it would match now", response_model=PreviewShape, responses=DOCUMENT)
def preview(change: Changing, environment: Chosen, body: ConditionsBody, answer: Answer) -> Any:
    """Nothing is silenced."""
    matchers = parse_all(body.conditions)
    context = change.context
    matching = records.matching(context.store, rules_of(context.stack, environment), matchers)
    return answer(preview_document(matching, [str(each) for each in matchers], environment.time_zone))


@router.post(
    "",
    status_code=201,
    summary="Silence alerts for a while",
    response_model=SilencesShape,
    responses={201: DOCUMENT[200]},
)
def create(change: Changing, environment: Chosen, body: SilenceBody, answer: Answer) -> Any:
    """Those that fire from now on and meet all conditions. What people know of already goes on."""
    context, actor = change.context, change.actor
    if (body.minutes is None) == (body.until is None):
        raise WrongUse("Say how long it holds: minutes, or until.")
    until = _end(context, body.minutes, body.until)
    created = Created(parse_all(body.conditions), body.reason, body.owner or actor.name, until, body.ends_with_alert)
    rules = rules_of(context.stack, environment)
    made = change.done(
        lambda store: records.create_silence(store, rules, created, actor.name),
        lambda: _made_before(context, environment, created, actor.name),
    )
    return _one(context, environment, answer, made, 201)


@router.post("/{silence}/end", summary="End it now", response_model=SilencesShape, responses=DOCUMENT)
def end(change: Changing, environment: Chosen, silence: Number, body: EndBody, seen: Seen, answer: Answer) -> Any:
    """What it holds and fires still is told at once."""
    context, actor = change.context, change.actor
    rules = rules_of(context.stack, environment)
    _found(context, environment, silence)
    why = f"{actor.name} ended it{f': {body.why}' if body.why else ''}."
    ended = change.done(
        lambda store: records.end_silence(store, rules, silence, why, actor.name, check=_check(seen)),
        lambda: _found(context, environment, silence),
    )
    return _one(context, environment, answer, ended)


@router.post(
    "/{silence}/extend", summary="Have it end at another time", response_model=SilencesShape, responses=DOCUMENT
)
def extend(change: Changing, environment: Chosen, silence: Number, body: ExtendBody, seen: Seen, answer: Answer) -> Any:
    """Earlier or later than it would."""
    context, actor = change.context, change.actor
    if (body.minutes is None) == (body.until is None):
        raise WrongUse("Say when it ends: minutes from now, or until.")
    rules, until = rules_of(context.stack, environment), _end(context, body.minutes, body.until)
    _found(context, environment, silence)
    extended = change.done(
        lambda store: records.extend_silence(store, rules, silence, until, actor.name, check=_check(seen)),
        lambda: _found(context, environment, silence),
    )
    return _one(context, environment, answer, extended)


def _end(context: ApiContext, minutes: int | None, until: datetime | None) -> datetime:
    return until.astimezone(UTC) if until else context.store.now() + timedelta(minutes=minutes or 0)


def _check(seen: int | None) -> records.Check:
    return lambda silence: require_version(silence.events, seen, f"Silence {silence.number}")


def _made_before(context: ApiContext, environment: Environment, created: Created, owner: str) -> Silence:
    """The same request made it before: the newest that says the same."""
    for each in records.silences_of(context.store, environment.name):
        if (each.matchers, each.reason, each.owner) == (created.matchers, created.reason, created.owner):
            return each
    raise Missing(f"{owner} made this silence before, and it isn't there.")


def _found(context: ApiContext, environment: Environment, number: int) -> Silence:
    found = next((each for each in records.silences_of(context.store, environment.name) if each.number == number), None)
    if found is None:
        raise Missing(
            f"{environment.name} has no silence {number}. See: omc alerts silences --env {environment.name} --all"
        )
    return found


def _one(context: ApiContext, environment: Environment, answer: Answerer, silence: Silence, status: int = 200) -> Any:
    now = context.store.now()
    holds = records.held_by_silences(context.store, environment.name)
    zone = environment.time_zone
    document = silences_document([silence], holds, environment.name, zone, now, everything=True)
    return answer(document, silence.events, status, next=None)


def _answered(
    context: ApiContext,
    environment: Environment,
    answer: Answerer,
    page: list[Silence],
    now: datetime,
    following: str | None,
    *,
    everything: bool,
) -> Any:
    holds = records.held_by_silences(context.store, environment.name)
    zone = environment.time_zone
    return answer(silences_document(page, holds, environment.name, zone, now, everything=everything), next=following)
