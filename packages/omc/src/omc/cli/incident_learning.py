"""``omc incident``: what is learnt: post-mortems, their action items, statistics."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import click

from omc.api_client.http import refuse_server
from omc.cli.incident_options import LENGTH, NUMBER, OpenRecord, opened_record, person_named, tell
from omc.cli.options import environment_option
from omc.cli.show import OUTPUT
from omc.cli.show import show as show_document
from omc.config import environment_of, load
from omc.errors import WrongUse
from omc.incidents.events import ActionItem, ActionItemDone, Payload, PostmortemChanged, PostmortemMoved
from omc.incidents.incident import POSTMORTEM_STATES, SECTIONS, Incident
from omc.output import echo, line
from omc.responder.impact import read_impact
from omc.responder.issues import issues_of
from omc.responder.postmortem import IMPACT, postmortem_document
from omc.responder.statistics import statistics, statistics_document
from omc.store.location import locate_store

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
@environment_option
@OUTPUT
@click.pass_context
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
    with opened_record(context.obj, env, number) as record:
        from omc.responder.life import act
        from omc.store.incidents import incident_of

        name = record.environment.name
        found = incident_of(record.store, name, number)
        if found.resolved_at is not None and IMPACT not in found.captured:
            measured = read_impact(record.environment, found, found.resolved_at)
            if measured.unknown is not None:
                echo(line(f"{measured.unknown} So what failed was not measured."), err=True)
            found = act(record.store, name, number, record.doer, measured)
        changes = [PostmortemChanged(section, text) for section, text in write]
        moves = [PostmortemMoved(state)] if state is not None else []
        # All or nothing; what is done is first taken back, and what is written may be what was missing.
        payloads: list[Payload] = [*moves, *changes] if found.postmortem_state == "done" else [*changes, *moves]
        if payloads:
            found = act(record.store, name, number, record.doer, *payloads)
        if github:
            _publish(record, number)
            found = incident_of(record.store, name, number)
        document = postmortem_document(found, record.stack.time_zone, record.store.now())
    show_document(document, output)


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
@environment_option
@OUTPUT
@click.pass_context
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
    with opened_record(context.obj, env, number) as record:
        from omc.responder import reminders
        from omc.store.incidents import incident_of

        name = record.environment.name
        changed = incident_of(record.store, name, number)
        if github:  # before anything is recorded: what can't be asked for needn't be begun
            issues_of(record.stack.github)
        sentence = f"Incident {number} of {name} has {len(changed.action_items)} action items."
        if done is not None:
            changed = reminders.end_action_item(record.store, name, number, record.doer, ActionItemDone(done))
            sentence = f"Action item {done} of incident {number} is done."
        elif text is not None:
            who = person_named(record.stack, owner or "").id if record.stack.persons else owner or ""
            id_ = str(len(changed.action_items) + 1)
            item = ActionItem(id_, text, who, _due(due or datetime.now(UTC), record.stack.time_zone), link)
            changed = reminders.add_action_item(record.store, name, number, record.doer, item)
            sentence = f"Action item {id_} of incident {number} is {who}'s."
        if github:
            _publish(record, number)
            changed = incident_of(record.store, name, number)
    tell(sentence, changed, output)


def _due(day: datetime, zone: str) -> datetime:
    return datetime.combine(date(day.year, day.month, day.day), DUE_AT, ZoneInfo(zone)).astimezone(UTC)


@click.command()
@click.option(
    "--since", type=LENGTH, default="90d", show_default=True, metavar="PERIOD", help="Opened within 30d, 90d."
)
@environment_option
@OUTPUT
@click.pass_context
def stats(context: click.Context, since: timedelta, env: str | None, output: str) -> None:
    """How long incidents took to be acknowledged, mitigated and resolved; who was paged how often, at night, for what.

    \b
    omc incident stats --env production --since 30d
    """
    from omc.store.database import open_store
    from omc.store.incidents import incidents_of

    refuse_server(context.command_path)
    stack = load(context.obj)
    environment = environment_of(stack, env)
    place = locate_store(stack, environment)
    found: tuple[Incident, ...] = ()
    now = datetime.now(UTC)
    if place.exists:
        with open_store(place) as store:
            now = store.now()
            found = incidents_of(store, environment.name)
    numbers = statistics(found, now - since, now, environment.time_zone)
    show_document(statistics_document(numbers, environment.name, environment.time_zone), output)
