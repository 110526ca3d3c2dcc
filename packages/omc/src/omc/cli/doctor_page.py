"""``omc doctor --test-page``: a test that goes the way of alarms, hop by hop."""

from __future__ import annotations

import sys

import click

from omc.api_client.http import refuse_server
from omc.aws.gateway import access_to
from omc.cli.show import rendered, show
from omc.config import Environment, Stack
from omc.engine.actors import actor_or_user
from omc.engine.github import refuse_fleeting_record
from omc.errors import Refused, WrongUse
from omc.notify.recipients import methods_of
from omc.output import echo
from omc.responder.trial_document import exit_code, plan_document, trial_document
from omc.responder.trying import find_path, gateway_for_trial, run
from omc.store.database import open_store
from omc.store.location import locate_store


def send_test_page(
    stack: Stack, environment: Environment, whom: str | None, severity: int, output: str, *, yes: bool
) -> int:
    """Say what would be done, ask, and do it; the exit code."""
    refuse_server("omc doctor --test-page")
    place = locate_store(stack, environment)
    refuse_fleeting_record(place, environment)
    recipient, methods = methods_of(stack, whom) if whom else ("", ())
    gateway = gateway_for_trial(environment, access_to(environment))
    path = find_path(gateway, severity, recipient, methods)
    if not yes:
        echo(rendered(plan_document(path, environment.name), "table"), err=True)
        if not sys.stdin.isatty():
            raise WrongUse("There is nobody to ask whether to send this test: say --yes.")
        if not click.confirm("Send it?", err=True):
            raise Refused("Nothing was sent.")
    actor = actor_or_user(environment)
    with open_store(place) as store:
        document = trial_document(run(gateway, store, path, actor.name), stack.time_zone)
    show(document, output)
    return exit_code(document)
