"""``omc incident``: the record of incidents: opening one, adding to it, reading it. What is done about one is in
``incident_response``, what is learnt of it in ``incident_learning``."""

from __future__ import annotations

import click

from omc.cli.incident_desk import opened_desk, read_incident, read_incidents
from omc.cli.incident_learning import action, postmortem, stats
from omc.cli.incident_options import LEVEL, LEVELS, NUMBER, tell
from omc.cli.incident_response import (
    ack,
    assign,
    detach,
    escalate,
    merge,
    mitigate,
    page,
    reopen,
    resolve,
    snooze,
    split,
    unmerge,
    unsnooze,
    update,
)
from omc.cli.lazy import PlainGroup
from omc.cli.options import environment_option
from omc.cli.show import OUTPUT, environment_and_output
from omc.cli.show import show as show_document
from omc.incidents.contacts import called_for
from omc.incidents.document import incident_document, incidents_document
from omc.incidents.events import Noted, SeverityChanged
from omc.output import echo, line
from omc.responder.catalogue import groups_of


@click.group(cls=PlainGroup)
def incident() -> None:
    """The record of incidents: what users suffer, how bad it is, what was done, how it ended. Nothing is ever edited.

    While a SEV-1 or SEV-2 is open, omc deploy deploys nothing but its fix; in a SEV-1, omc approve --break-glass lets a
    change go ahead without its approvals. Whoever is on call is paged until somebody has acknowledged.

    With OMC_SERVER set, what is done here is done by omc's server there, by whoever the token in OMC_TOKEN is.

    \b
    omc incident open --env production --severity 1 "Users can't log in"
    omc incident ack 3 --env production
    omc incident list --env production
    omc incident resolve 3 "rolled back to release 41" --env production
    """


@incident.command(name="open")
@click.argument("summary")
@click.option("--severity", type=LEVEL, required=True, help=LEVELS)
@click.option("--ack", "is_mine", is_flag=True, help="You have it: nobody else is paged for a while.")
@environment_option
@click.pass_context
def open_one(context: click.Context, summary: str, severity: int, is_mine: bool, env: str | None) -> None:
    """Open an incident: what users suffer, in a sentence. It gets the environment's next number.

    \b
    omc incident open --env production --severity 1 "Users can't log in"
    omc incident open --env staging --severity 3 "Prices are a minute late" --ack
    """
    with opened_desk(context.obj, env, None) as there:
        opened = there.desk.open(severity, summary)
        if is_mine:
            there.desk.acknowledge(opened.number)
    name = opened.environment
    echo(line(f"Incident {opened.number} of {name} is open: SEV-{opened.severity}, {opened.summary}"))


@incident.command(name="list")
@environment_option
@click.option("--all", "everything", is_flag=True, help="Also those that are resolved.")
@OUTPUT
@click.pass_context
def list_incidents(context: click.Context, env: str | None, everything: bool, output: str) -> None:
    """The incidents that are open, newest first.

    \b
    omc incident list --env production
    omc incident list --env production --all --output markdown
    """
    shown, environment = read_incidents(context.obj, env, everything=everything)
    show_document(incidents_document(shown, environment.name, environment.time_zone, everything=everything), output)


@incident.command()
@NUMBER
@environment_and_output
def show(context: click.Context, number: int, env: str | None, output: str) -> None:
    """One incident: how it is now, and each of its events.

    \b
    omc incident show 3 --env production
    omc incident show 3 --env production --output markdown
    """
    found, stack = read_incident(context.obj, env, number)
    outside = called_for(stack.contacts, found, groups_of(found))
    show_document(incident_document(found, stack.time_zone, outside), output)


@incident.command()
@NUMBER
@click.argument("level", type=LEVEL, metavar="SEVERITY")
@environment_and_output
def severity(context: click.Context, number: int, level: int, env: str | None, output: str) -> None:
    """Change the severity of an open incident that is worse, or less bad, than was thought. A SEV-1 pages everybody.

    \b
    omc incident severity 3 2 --env production
    """
    with opened_desk(context.obj, env, number) as opened:
        changed = opened.desk.act(number, SeverityChanged(level))
    tell(f"Incident {number} of {changed.environment} is a SEV-{level} now.", changed, output)


@incident.command()
@NUMBER
@click.argument("text")
@environment_and_output
def note(context: click.Context, number: int, text: str, env: str | None, output: str) -> None:
    """Write down what you see or do, when you do it. Also what is learnt after the end.

    \b
    omc incident note 3 "scaled the backend to 6" --env production
    """
    with opened_desk(context.obj, env, number) as opened:
        noted = opened.desk.act(number, Noted(text))
    tell(f"Noted in incident {number} of {noted.environment}.", noted, output)


for each in (ack, assign, mitigate, resolve, reopen, snooze, unsnooze, page, escalate, update):
    incident.add_command(each)
for each in (merge, unmerge, split, detach, postmortem, action, stats):
    incident.add_command(each)
