"""``omc alerts``: what fires, why somebody was paged or wasn't, silences, and what other rules would have done."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import to_builtins

from omc.api_client import documents as through
from omc.api_client.http import Server, configured, refuse_server, segment
from omc.cli.lazy import PlainGroup
from omc.cli.options import Moment, Period, environment_option
from omc.cli.show import OUTPUT, environment_and_output
from omc.cli.show import show as show_document
from omc.config import Environment, Stack, environment_of, load
from omc.engine.actors import actor_or_user
from omc.engine.github import refuse_fleeting_record
from omc.errors import Refused, WrongUse
from omc.model.matchers import parse_all
from omc.model.silences import Created, require_end
from omc.output import echo, line
from omc.responder.alerts_document import (
    alert_document,
    alerts_document,
    explained_document,
    preview_document,
    rebuilt_document,
    replay_document,
    silences_document,
)
from omc.responder.planned_document import planned_document
from omc.responder.replay import replay as replayed
from omc.responder.replay import what_happened
from omc.responder.rules import Rules, rules_of
from omc.store.location import locate_store
from omc.times import format_time

if TYPE_CHECKING:
    from omc.output.document import Document
    from omc.responder.alerts import Alert
    from omc.store.opened import Store

PERIOD = Period(timedelta(days=400), "minutes, hours or days: 45m, 24h, 30d")


@click.group(cls=PlainGroup)
def alerts() -> None:
    """Alerts: what fires, why somebody was paged or wasn't, silences, and what other rules would have done.

    An alert passes nine stages, from deduplicate to route; its events keep what each of them did and why. Rules are in
    omc.toml under [alerts].

    \b
    omc alerts list --env production
    omc alerts explain backend-unhealthy --env production
    omc alerts silence name=rds-* --for 2h --reason "the instance is resized" --env production
    omc alerts replay --since 30d --with other.toml --env production
    """


@dataclass(frozen=True, slots=True)
class _Desk:
    """What each of these commands works with."""

    stack: Stack
    environment: Environment
    rules: Rules
    store: Store


@contextmanager
def _desk(file: Path | None, env: str | None, *, writes: bool = False) -> Iterator[_Desk | None]:
    """None where nothing was ever kept there, for whoever only reads."""
    from omc.store.database import open_store

    stack = load(file)
    environment = environment_of(stack, env)
    place = locate_store(stack, environment)
    rules = rules_of(stack, environment)
    if writes:
        refuse_fleeting_record(place, environment)
    elif not place.exists:
        yield None
        return
    with open_store(place) as store:
        yield _Desk(stack, environment, rules, store)


@alerts.command(name="list")
@click.argument("conditions", nargs=-1, metavar="[CONDITION...]")
@environment_option
@click.option("--all", "everything", is_flag=True, help="Also those that have ended.")
@OUTPUT
@click.pass_context
def list_alerts(
    context: click.Context, conditions: tuple[str, ...], env: str | None, everything: bool, output: str
) -> None:
    """The alerts that fire, the worst first, and which incident knows of each, or why none does. With conditions as omc
    alerts silence has them: those that meet each CONDITION.

    \b
    omc alerts list --env production
    omc alerts list service=backend severity!=3 --env production
    omc alerts list --env production --all --output json
    """
    matchers = parse_all(conditions)
    matching = [str(each) for each in matchers]
    if (there := _server(context.obj, env)) is not None:
        query = {"state": "all" if everything else "firing", "match": matching}
        show_document(through.read_all(there.server, f"{there.path}/alerts", query, "alerts", "offset"), output)
        return
    from omc.responder import records

    with _desk(context.obj, env) as desk:
        found = records.listed(desk.store, desk.rules, everything=everything, matchers=matchers) if desk else ()
    stack = load(context.obj)
    environment = environment_of(stack, env)
    zone = environment.time_zone
    show_document(alerts_document(found, environment.name, zone, everything=everything, matching=matching), output)


@alerts.command()
@environment_and_output
def planned(context: click.Context, env: str | None, output: str) -> None:
    """What others will do to the stack: retirements of tasks and maintenance of RDS and ElastiCache that AWS announced.
    Nobody is paged for it. Also messages that came in and could not be read.

    \b
    omc alerts planned --env production
    """
    if (there := _server(context.obj, env)) is not None:
        show_document(through.read(there.server, f"{there.path}/planned"), output)
        return
    from omc.maintenance.announced import coming, planned_work
    from omc.responder.unreadable import unreadable_messages

    with _desk(context.obj, env) as desk:
        if desk is None:
            environment = environment_of(load(context.obj), env)
            show_document(planned_document((), (), environment.name, environment.time_zone), output)
            return
        name = desk.environment.name
        with desk.store.reading() as session:
            announced, unreadable = planned_work(session, name), unreadable_messages(session, name)
        found = coming(announced, desk.store.now())
        show_document(planned_document(found, unreadable, name, desk.environment.time_zone), output)


@alerts.command()
@click.argument("alert", metavar="ALERT")
@environment_and_output
def show(context: click.Context, alert: str, env: str | None, output: str) -> None:
    """One alert: what it means, what to do first, and what has happened to it. ALERT is its name, or the beginning of
    its key.

    \b
    omc alerts show backend-unhealthy --env production
    omc alerts show 3f8a91c2 --env production --output json
    """
    if (there := _server(context.obj, env)) is not None:
        show_document(through.read(there.server, f"{there.path}/alerts/{there.key_of(alert)}"), output)
        return
    from omc.responder import records

    with _desk(context.obj, env) as desk:
        found, incident = _find(desk, alert, env)
        assert desk is not None  # else it wasn't found  # noqa: S101
        events = records.events_of(desk.store, found)
        show_document(alert_document(found, incident, events, desk.environment.time_zone), output)


@alerts.command()
@click.argument("alert", metavar="ALERT")
@click.option("--last", type=click.IntRange(1, 1000), default=3, show_default=True, help="So many of its last events.")
@environment_and_output
def explain(context: click.Context, alert: str, last: int, env: str | None, output: str) -> None:
    """Why an alert was grouped, held or paged: what each stage did with it, and why.

    \b
    omc alerts explain alb-5xx-percent --env production
    omc alerts explain alb-5xx-percent --last 10 --env production
    """
    if (there := _server(context.obj, env)) is not None:
        path = f"{there.path}/alerts/{there.key_of(alert)}/explanation"
        show_document(through.read(there.server, path, {"last": last}), output)
        return
    from omc.responder import records

    with _desk(context.obj, env) as desk:
        found, _ = _find(desk, alert, env)
        assert desk is not None  # else it wasn't found  # noqa: S101
        events = records.events_of(desk.store, found)[-last:]
        show_document(explained_document(found, events, desk.environment.time_zone), output)


@alerts.command()
@click.option("--since", type=PERIOD, default="30d", show_default=True, help="How far back: 45m, 24h, 30d.")
@click.option(
    "--with",
    "other",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="The other omc.toml.  [default: the one in use, which gives what has happened]",
)
@environment_and_output
def replay(context: click.Context, since: timedelta, other: Path | None, env: str | None, output: str) -> int:
    """What another omc.toml would have made of what came in: its incidents and pages beside those that there were.

    Exit code 0: the same incidents; 1: others.

    \b
    omc alerts replay --since 30d --with other.toml --env production
    omc alerts replay --since 7d --env production --output markdown
    """
    stack = load(other or context.obj)
    rules = rules_of(stack, environment_of(stack, env))
    if (there := _server(context.obj, env)) is not None:
        document = through.ask(there.server, f"{there.path}/replays", _replay_of(stack, rules, since, other))
        show_document(document, output)
        return 1 if document.data["gone"] or document.data["new"] else 0
    from omc.responder import records

    with _desk(context.obj, env) as desk:
        if desk is None:
            raise WrongUse("No alert was ever taken in here, so there is nothing to replay.")
        until = desk.store.now()
        begin = until - since
        history = records.history(desk.store, desk.environment.name)
        was, would = what_happened(history, begin), replayed(history, rules, begin, until)
        document = replay_document(was, would, begin, str(other or stack.file.name), desk.environment.time_zone)
    show_document(document, output)
    return 1 if document.data["gone"] or document.data["new"] else 0


@alerts.command()
@click.argument("conditions", nargs=-1, required=True, metavar="CONDITION...")
@click.option("--for", "period", type=PERIOD, metavar="PERIOD", help="For so long: 45m, 2h, 1d.")
@click.option("--until", type=Moment(), metavar="TIME", help="Or until then: 2026-11-30T18:00+11:00.")
@click.option("--reason", required=True, help="Why. People read it when they wonder why nobody was paged.")
@click.option("--owner", help="Whom to ask about it.  [default: you]")
@click.option("--ends-with-alert", is_flag=True, help="It is over as soon as nothing that it holds fires any more.")
@click.option("--yes", is_flag=True, help="Without asking.")
@click.option("--dry-run", is_flag=True, help="Only show what it matches now.")
@environment_and_output
def silence(
    context: click.Context,
    /,
    conditions: tuple[str, ...],
    period: timedelta | None,
    until: datetime | None,
    reason: str,
    owner: str | None,
    ends_with_alert: bool,
    yes: bool,
    dry_run: bool,
    env: str | None,
    output: str,
) -> None:
    """Hold alerts back for a time: those that fire from now on and meet each CONDITION. What it matches now is shown
    first.

    A condition is a label, = or !=, and a value with * and ?. Labels are name, kind, service, group, severity, source,
    and the alert's own. What still fires at the end is told then; that it has ended is told at once.

    \b
    omc alerts silence name=rds-* --for 2h --reason "the instance is resized" --env production
    omc alerts silence service=backend severity=3 --until 2026-11-30T18:00+11:00 --reason "load test" --env staging
    """
    matchers = parse_all(conditions)
    if (period is None) == (until is None):
        raise WrongUse("Say how long it holds: --for PERIOD, or --until TIME.")
    now = datetime.now(UTC)
    require_end(until if until is not None else now + (period or timedelta(0)), now)  # before anybody is asked
    if (there := _server(context.obj, env)) is not None:
        texts = [str(each) for each in matchers]
        shown = through.ask(there.server, f"{there.path}/silences/preview", {"conditions": texts})
        if dry_run or output == "table":
            show_document(shown, output)
        if dry_run:
            return
        _ask(yes)
        body = {**_end_of(period, until), "reason": reason, "owner": owner, "ends_with_alert": ends_with_alert}
        created_there = through.ask(there.server, f"{there.path}/silences", {"conditions": texts, **body})
        if output == "table":
            echo(line(there.sentence_of(created_there)))
        else:
            show_document(created_there, output)
        return
    from omc.responder import records

    with _desk(context.obj, env, writes=True) as desk:
        assert desk is not None  # who writes has one  # noqa: S101
        zone = desk.environment.time_zone
        matching = records.matching(desk.store, desk.rules, matchers)
        preview = preview_document(matching, [str(each) for each in matchers], zone)
        if dry_run or output == "table":
            show_document(preview, output)
        if dry_run:
            return
        _ask(yes)
        actor = actor_or_user(desk.environment)
        end = until if until is not None else desk.store.now() + (period or timedelta(0))
        created = Created(matchers, reason, owner or actor.name, end, ends_with_alert)
        made = records.create_silence(desk.store, desk.rules, created, actor.name, actor.link)
    if output == "table":
        echo(line(f"Silence {made.number} of {desk.environment.name} holds until {format_time(made.until, zone)}."))
        return

    show_document(silences_document([made], {}, desk.environment.name, zone, made.created_at, everything=True), output)


@alerts.command()
@click.argument("number", type=click.IntRange(1, 2**31 - 1), metavar="NUMBER")
@click.option("--for", "period", type=PERIOD, metavar="PERIOD", help="Not now: so long from now.")
@click.option("--why", default="", help="Why.")
@environment_option
@click.pass_context
def unsilence(context: click.Context, number: int, period: timedelta | None, why: str, env: str | None) -> None:
    """End a silence now, or at another time. What it holds and fires still is told at once.

    \b
    omc alerts unsilence 3 --why "the instance is back" --env production
    omc alerts unsilence 3 --for 2h --env production
    """
    if (there := _server(context.obj, env)) is not None:
        path = f"{there.path}/silences/{number}"
        if period is not None:
            echo(line(there.sentence_of(through.ask(there.server, f"{path}/extend", _end_of(period, None)))))
            return
        through.ask(there.server, f"{path}/end", {"why": why})
        echo(line(f"Silence {number} of {there.environment.name} is over; what fires still is told."))
        return
    from omc.responder import records

    with _desk(context.obj, env, writes=True) as desk:
        assert desk is not None  # who writes has one  # noqa: S101
        actor, where = actor_or_user(desk.environment), desk.environment.name
        if period is not None:
            until = desk.store.now() + period
            made = records.extend_silence(desk.store, desk.rules, number, until, actor.name, actor.link)
            echo(
                line(f"Silence {number} of {where} holds until {format_time(made.until, desk.environment.time_zone)}.")
            )
            return
        ended = f"{actor.name} ended it{f': {why}' if why else ''}."
        records.end_silence(desk.store, desk.rules, number, ended, actor.name, actor.link)
        echo(line(f"Silence {number} of {where} is over; what fires still is told."))


@alerts.command()
@environment_option
@click.option("--all", "everything", is_flag=True, help="Also those that are over.")
@OUTPUT
@click.pass_context
def silences(context: click.Context, env: str | None, everything: bool, output: str) -> None:
    """The silences that hold, what each holds now, and those that never held anything.

    \b
    omc alerts silences --env production
    omc alerts silences --env production --all --output json
    """
    if (there := _server(context.obj, env)) is not None:
        query = {"state": "all" if everything else "holding"}
        show_document(through.read_all(there.server, f"{there.path}/silences", query, "silences"), output)
        return
    from omc.responder import records

    stack = load(context.obj)
    environment = environment_of(stack, env)
    with _desk(context.obj, env) as desk:
        if desk is None:
            document = silences_document(
                [], {}, environment.name, environment.time_zone, _never(), everything=everything
            )
        else:
            now = desk.store.now()
            found = records.silences_of(desk.store, environment.name)
            shown = [each for each in found if everything or each.is_active(now)]
            holds = records.held_by_silences(desk.store, environment.name)
            document = silences_document(
                shown, holds, environment.name, environment.time_zone, now, everything=everything
            )
    show_document(document, output)


@alerts.command()
@environment_and_output
def rebuild(context: click.Context, env: str | None, output: str) -> int:
    """Make the table of alerts anew from their events, and say whether it was what they say.

    Exit code 0: it was; 1: it is now.

    \b
    omc alerts rebuild --env production
    """
    refuse_server(context.command_path)
    from omc.responder import records

    with _desk(context.obj, env, writes=True) as desk:
        assert desk is not None  # who writes has one  # noqa: S101
        number, wrong = records.rebuild(desk.store, desk.environment.name)
        show_document(rebuilt_document(desk.environment.name, number, wrong), output)
    return 1 if wrong else 0


def _find(desk: _Desk | None, alert: str, env: str | None) -> tuple[Alert, int | None]:
    """The alert of this name, or whose key begins so, with the open incident that knows of it."""
    from omc.responder import records

    found: Sequence[tuple[Alert, int | None]] = ()
    if desk is not None:
        listed = records.listed(desk.store, desk.rules, everything=True)
        found = records.named(listed, alert)
    return found[_only([each.key for each, _ in found], alert, env)]


def _only(keys: Sequence[str], alert: str, env: str | None) -> int:
    """Which of these is meant: there must be one."""
    if not keys:
        where = f" --env {env}" if env else ""
        raise WrongUse(f'No alert "{alert}" was ever heard of here. See: omc alerts list --all{where}')
    if len(keys) > 1:
        shown = ", ".join(each[:12] for each in keys)
        raise WrongUse(f'"{alert}" are {len(keys)} alerts; say which, by its key: {shown}')
    return 0


@dataclass(frozen=True, slots=True)
class _There:
    """A server that has the environment's alerts."""

    server: Server
    environment: Environment
    env: str | None

    @property
    def path(self) -> str:
        return f"/v1/environments/{self.environment.name}"

    def key_of(self, alert: str) -> str:
        """Of the alert of this name, or whose key begins so."""
        found = self.server.get(f"{self.path}/alerts", {"state": "all", "alert": alert, "limit": 20})
        try:
            keys = [str(each["alert"]) for each in found["alerts"]]
        except (KeyError, TypeError) as error:
            raise self.server.strange() from error
        return segment(keys[_only(keys, alert, self.env)])

    def sentence_of(self, made: Document) -> str:
        """Until when a silence holds that the server has answered."""
        try:
            [silence] = made.data["silences"]
            until = datetime.fromisoformat(silence["until"])
            number = silence["silence"]
        except (KeyError, TypeError, ValueError) as error:
            raise self.server.strange() from error
        shown = format_time(until, self.environment.time_zone)
        return f"Silence {number} of {self.environment.name} holds until {shown}."


def _server(file: Path | None, env: str | None) -> _There | None:
    server = configured()
    return None if server is None else _There(server, environment_of(load(file), env), env)


def _end_of(period: timedelta | None, until: datetime | None) -> dict[str, object]:
    if until is not None:
        return {"until": until.isoformat()}
    return {"minutes": max(1, round((period or timedelta()).total_seconds() / 60))}


def _replay_of(stack: Stack, rules: Rules, since: timedelta, other: Path | None) -> dict[str, object]:
    """What is asked of a server: by another file's rules, all of them; else by its own."""
    begin = (datetime.now(UTC) - since).isoformat()
    if other is None:
        return {"since": begin, "name": stack.file.name}
    return {
        "since": begin,
        "name": other.name,
        "alerts": to_builtins(stack.alerts),
        "quiet_minutes": stack.on_call.quiet_minutes,
        "reopen_minutes": stack.on_call.reopen_minutes,
        "prefix": rules.prefix,
        "services": sorted(rules.services),
    }


def _ask(yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise WrongUse("There is nobody to ask whether to silence this: say --yes, or look first with --dry-run.")
    if not click.confirm("Silence this?", err=True):
        raise Refused("Nothing was silenced.")


def _never() -> datetime:
    return datetime.fromisoformat("2000-01-01T00:00:00+00:00")
