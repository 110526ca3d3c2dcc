"""``omc incident``: what is learnt: post-mortems, their action items, statistics."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import click

from omc.api_client import documents as through
from omc.api_client.http import configured, refuse_server
from omc.api_client.incidents import ServerDesk
from omc.cli.incident_desk import opened_desk
from omc.cli.incident_options import LENGTH, NUMBER, OpenRecord, opened_record, person_named, tell
from omc.cli.show import environment_and_output
from omc.cli.show import show as show_document
from omc.config import environment_of, load
from omc.errors import Refused, WrongUse
from omc.incidents.events import ActionItem, Captured, PostmortemChanged, PostmortemMoved
from omc.incidents.incident import POSTMORTEM_STATES, SECTIONS, Incident
from omc.output import echo, line
from omc.output.document import Document
from omc.responder.impact import read_impact
from omc.responder.issues import issues_of
from omc.responder.postmortem import IMPACT, postmortem_document
from omc.responder.statistics import statistics, statistics_document
from omc.store.location import locate_store
from omc.times import zone_named

GITHUB = click.option(
    "--github",
    is_flag=True,
    help="Make an issue in [github] repository of each action item that has none, and read which are closed.",
)
DUE_AT = time(9)
"""When on its day an action item is due, by the stack's clock."""


@click.command()
@NUMBER
@click.option(
    "--write",
    nargs=2,
    multiple=True,
    metavar="SECTION TEXT",
    help=f"Put a text in place of the draft's; sections: {', '.join(SECTIONS)}. A line that begins with - is an item.",
)
@click.option("--state", type=click.Choice(POSTMORTEM_STATES), help="Where it stands.")
@GITHUB
@environment_and_output
def postmortem(
    context: click.Context,
    number: int,
    write: tuple[tuple[str, str], ...],
    state: str | None,
    github: bool,
    env: str | None,
    output: str,
) -> None:
    """The post-mortem of an incident: drafted from its record, written by people section by section.

    \b
    omc incident postmortem 3 --env production --output markdown
    omc incident postmortem 3 --write causes "The pool was too small." --state review --env production
    omc incident postmortem 3 --state done --github --env production
    """
    if github:
        refuse_server("--github")
    server = configured()
    if server is not None:
        desk = ServerDesk(server, environment_of(load(context.obj), env).name)
        show_document(_through_server(desk, number, dict(write), state), output)
        return
    with opened_record(context.obj, env, number) as record:
        from omc.responder.learning import change_postmortem
        from omc.responder.life import act
        from omc.store.incidents import incident_of

        name = record.environment.name
        found = incident_of(record.store, name, number)
        if found.resolved_at is not None and IMPACT not in found.captured:
            measured = read_impact(record.environment, found, found.resolved_at)
            _say_unmeasured(measured)
            found = act(record.store, name, number, record.doer, measured)
        changes = [PostmortemChanged(section, text) for section, text in write]
        moves = [PostmortemMoved(state)] if state is not None else []
        # All or nothing; what is done is first taken back, and what is written may be what was missing.
        payloads: list[PostmortemChanged | PostmortemMoved] = (
            [*moves, *changes] if found.postmortem_state == "done" else [*changes, *moves]
        )
        if payloads:
            found = change_postmortem(record.store, name, number, record.doer, payloads)
        if github:
            _publish(record, number)
            found = incident_of(record.store, name, number)
        document = postmortem_document(found, record.stack.time_zone, record.store.now())
    show_document(document, output)


def _through_server(desk: ServerDesk, number: int, sections: dict[str, str], state: str | None) -> Document:
    """The same by a server, which measures: whoever may only read gets what is there."""
    found = desk.incident(number)
    if found.resolved_at is not None and IMPACT not in found.captured:
        try:
            measured = desk.measure(number).captured.get(IMPACT)
        except Refused as error:
            echo(line(f"{error.message} So what failed was not measured."), err=True)
        else:
            _say_unmeasured(measured)
    return desk.write_postmortem(number, sections, state) if sections or state else desk.postmortem(number)


def _say_unmeasured(measured: Captured | None) -> None:
    if measured is not None and measured.unknown is not None:
        echo(line(f"{measured.unknown} So what failed was not measured."), err=True)


def _publish(record: OpenRecord, number: int) -> None:
    """Issues for the action items that have none, and what closed ones say, a sentence each on stderr."""
    from omc.responder.action_issues import publish, reconcile

    issues, name = issues_of(record.stack.github), record.environment.name
    sentences = [
        f"Action item {each.item} is {each.link}" + ("." if each.is_new else ", which was there.")
        for each in publish(record.store, record.stack, name, number, record.doer, issues)
    ]
    ended = reconcile(record.store, name, [number], record.doer, issues)
    sentences += [f"Action item {item} is over: its issue is closed." for _, item in ended]
    for each in sentences:
        echo(line(each), err=True)


@click.command()
@NUMBER
@click.argument("text", required=False)
@click.option("--owner", metavar="PERSON", help="Who does it: a name of [people].")
@click.option("--due", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="By when: 2026-12-20.")
@click.option("--link", help="Where else it is kept: an issue's address.")
@click.option("--done", metavar="ID", help="This one is done.")
@GITHUB
@environment_and_output
def action(
    context: click.Context,
    number: int,
    text: str | None,
    owner: str | None,
    due: datetime | None,
    link: str | None,
    done: str | None,
    github: bool,
    env: str | None,
    output: str,
) -> None:
    """What will be done so that it doesn't come again: one owner and a date each. The owner is reminded.

    With --github alone, all action items of the incident that have no issue yet get one, and those whose issue is
    closed are done. omc serve looks for closed ones each hour, where it has a token.

    \b
    omc incident action 3 "Raise the pool's limit" --owner jo --due 2026-12-20 --env production
    omc incident action 3 --done 1 --env production
    omc incident action 3 --github --env production
    """
    is_asked = (done is not None) + (text is not None)
    if is_asked > 1 or not (is_asked or github) or (text is not None and (owner is None or due is None)):
        raise WrongUse(
            "Say what is to be done with --owner PERSON and --due DATE, or which one is done with --done ID."
        )
    changed, sentence = None, ""
    with opened_desk(context.obj, env, number) as opened:
        if github:  # before anything is recorded: what can't be asked for needn't be begun
            refuse_server("--github")
            issues_of(opened.stack.github)
        if done is not None:
            changed = opened.desk.end_action_item(number, done)
            sentence = f"Action item {done} of incident {number} is done."
        elif text is not None:
            stack = opened.stack
            who = person_named(stack, owner or "").id if stack.persons else owner or ""
            item = ActionItem("", text, who, _due(due or datetime.now(UTC), stack.time_zone), link)
            changed = opened.desk.add_action_item(number, item)
            id_ = list(changed.action_items)[-1]
            sentence = f"Action item {id_} of incident {number} is {who}'s."
    if github:
        from omc.store.incidents import incident_of

        with opened_record(context.obj, env, number) as record:
            _publish(record, number)
            changed = incident_of(record.store, record.environment.name, number)
            sentence = sentence or f"Incident {number} has {len(changed.action_items)} action items."
    assert changed is not None  # one of them was asked for  # noqa: S101
    tell(sentence, changed, output)


def _due(day: datetime, zone: str) -> datetime:
    return datetime.combine(date(day.year, day.month, day.day), DUE_AT, zone_named(zone)).astimezone(UTC)


@click.command()
@click.option(
    "--since", type=LENGTH, default="90d", show_default=True, metavar="PERIOD", help="Opened within 30d, 90d."
)
@environment_and_output
def stats(context: click.Context, since: timedelta, env: str | None, output: str) -> None:
    """How long incidents took to be acknowledged, mitigated and resolved; who was paged how often, at night, for what.

    \b
    omc incident stats --env production --since 30d
    """
    stack = load(context.obj)
    environment = environment_of(stack, env)
    server = configured()
    if server is not None:
        begin = (datetime.now(UTC) - since).isoformat()
        path = f"/v1/environments/{environment.name}/statistics"
        show_document(through.read(server, path, {"since": begin}), output)
        return
    from omc.store.database import open_store
    from omc.store.incidents import incidents_of

    place = locate_store(stack, environment)
    found: tuple[Incident, ...] = ()
    now = datetime.now(UTC)
    if place.exists:
        with open_store(place) as store:
            now = store.now()
            found = incidents_of(store, environment.name)
    numbers = statistics(found, now - since, now, environment.time_zone)
    show_document(statistics_document(numbers, environment.name, environment.time_zone), output)
