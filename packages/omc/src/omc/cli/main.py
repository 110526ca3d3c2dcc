"""The command ``omc``: finds the group that a command belongs to and imports nothing else, and turns every error into
one sentence and an exit code."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

import omc
from omc.cli.lazy import LazyCommand, LazyGroup
from omc.cli.pasted import environment_of, with_environment
from omc.distribution import missing
from omc.errors import OmcError, WrongUse
from omc.interrupts import reraise_interrupts
from omc.model.registry import Registry
from omc.output import echo, line

COMMANDS: Registry[str, LazyCommand] = Registry(
    "command",
    {
        "check": LazyCommand("omc.cli.check", "Ask the environment how it is."),
        "diagnose": LazyCommand(
            "omc.diagnosis.command",
            "Why it is broken: the likeliest cause first, with its evidence, its path to users, and the next step.",
        ),
        "doctor": LazyCommand(
            "omc.cli.doctor",
            "What omc relies on in this account: what holds, what doesn't, what isn't known, and what to do about it.",
        ),
        "init": LazyCommand(
            "omc.adoption.command",
            "Write omc.toml from what runs in an account: services, load balancers, databases, caches, alarms.",
        ),
        "stack": LazyCommand("omc.adoption.command_stack", "The stack file, omc.toml."),
        "infra": LazyCommand(
            "omc.cli.infra", "Change the infrastructure by Terraform: read the plan first, then apply exactly that."
        ),
        "local": LazyCommand("omc.cli.local", "An AWS for this stack on this machine, to try and to rehearse."),
        "demo": LazyCommand(
            "omc.cli.demo", "Watch the stack come up, pass its morning check and break, and read what broke and why."
        ),
        "restart": LazyCommand(
            "omc.cli.restart",
            "Replace the tasks of services with new ones of the same revision, and watch until they serve.",
        ),
        "scale": LazyCommand("omc.cli.scale", "Scale a service, and wait until it is healthy."),
        "deploy": LazyCommand(
            "omc.cli.deploy",
            "Deploy images by digest, migrate, roll the services, and watch until the outcome is known.",
        ),
        "rollback": LazyCommand("omc.cli.rollback", "Go back to the last release that was verified here."),
        "migrate": LazyCommand(
            "omc.cli.migrate", "Run the migration of services in a task of its own, without a deployment."
        ),
        "deployments": LazyCommand(
            "omc.cli.deployments",
            "What ECS serves now, beside the releases that omc verified, and ECS's own history where omc recorded "
            "nothing.",
        ),
        "releases": LazyCommand("omc.cli.releases", "Housekeeping for releases."),
        "exec": LazyCommand(
            "omc.sessions.command",
            "Run a command in a running container, or a shell where none is given; ends with the command's exit code.",
        ),
        "db": LazyCommand(
            "omc.sessions.command",
            "SQL in the environment's database, through a running task; psql where it is on PATH, else a client of "
            "omc's.",
        ),
        "redis": LazyCommand(
            "omc.sessions.command",
            "Commands in the environment's cache, through a running task, over TLS where the cache has it.",
        ),
        "forward": LazyCommand(
            "omc.sessions.command",
            "Ports of this machine that lead to the database, the cache or a service, until Ctrl-C.",
        ),
        "doors": LazyCommand(
            "omc.sessions.command",
            "Who opened which door, when, why, and how it ended: exec (also with --detach), db, redis and forward.",
        ),
        "open": LazyCommand(
            "omc.sessions.command_open",
            "Open AWS's console at a dashboard, a service's logs, an alarm or a trace, and print the address.",
        ),
        "runbook": LazyCommand(
            "omc.runbook.command",
            "The runbook: what there is in it, a section with today's values in its commands, and what is wrong with a "
            "runbook of anybody's.",
        ),
        "runs": LazyCommand(
            "omc.cli.runs", "Every change, as a run: who, when, what, how it went; and the timers to come."
        ),
        "backup": LazyCommand(
            "omc.backups.command",
            "The database's backups: take one, see what there is, verify one by restoring it, restore one.",
        ),
        "database": LazyCommand(
            "omc.cli.command_database",
            "The database's maintenance: reboot, class, storage, parameters, password, version, certificate.",
        ),
        "cache": LazyCommand(
            "omc.cli.command_cache",
            "The cache's maintenance: failover, node type, replicas, version, Valkey, AWS's updates.",
        ),
        "approve": LazyCommand("omc.cli.approve", "Approve the plan of a run that waits for it."),
        "incident": LazyCommand(
            "omc.cli.incident",
            "The record of incidents: what users suffer, how bad it is, what was done, how it ended.",
        ),
        "alerts": LazyCommand(
            "omc.responder.command_alerts",
            "Alerts: what fires, why somebody was paged or wasn't, silences, and what other rules would have done.",
        ),
        "logs": LazyCommand(
            "omc.logs.command",
            "What the logs say: errors by shape, slow statements, who talks most, saved queries, one request's trace.",
        ),
        "mcp": LazyCommand(
            "omc.agents.command",
            "Serve omc's readings to an agent, by the Model Context Protocol over stdin and stdout.",
        ),
        "maintenance": LazyCommand(
            "omc.maintenance.command",
            "Maintenance: when its windows are, what AWS plans, and the run over the runbook's checklists.",
        ),
        "notify": LazyCommand(
            "omc.notify.command",
            "Whether pages reach people: send a test page, see what waits in the outbox, send again what failed.",
        ),
        "status": LazyCommand(
            "omc.responder.command_status",
            "What customers see: how components are and what they were told; and who has it sent to them.",
        ),
        "oncall": LazyCommand(
            "omc.oncall.command",
            "Who is on call: rotas, overrides, who would be paged and when, gaps, imports and calendars.",
        ),
        "token": LazyCommand(
            "omc.access.command", "Tokens for omc's server: create one, see which there are, revoke one."
        ),
        "audit": LazyCommand("omc.cli.audit", "The record: append-only, each event chained to the one before."),
        "serve": LazyCommand(
            "omc.responder.command_serve",
            "Watch alarms and page people: reads the queue of alarms, keeps incidents, escalates, sends pages, and "
            "takes answers from Slack.",
        ),
        "worker": LazyCommand(
            "omc.cli.worker",
            "Perform what no other process performs: runs that were approved or whose process died, timers that are "
            "due, and maintenances that were started.",
        ),
    },
)
HEADINGS = {
    "Look": ("check", "diagnose", "deployments", "logs", "open", "runbook", "doctor", "stack"),
    "Change": (
        *("deploy", "rollback", "scale", "restart", "migrate", "releases", "infra"),
        *("database", "cache", "backup", "maintenance"),
        *("exec", "db", "redis", "forward"),
    ),
    "Respond": ("incident", "alerts", "oncall", "notify", "status", "serve"),
    "Record": ("runs", "approve", "worker", "audit", "doors", "token"),
    "Begin, and rehearse on this machine": ("init", "local", "demo", "mcp", "version"),
}
"""What the help lists together; a test holds that each command is in one of them."""
INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""
BUG = 3
"""A bug leaves unknown what was asked."""


@click.group(cls=LazyGroup, lazy=COMMANDS, headings=HEADINGS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--stack",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The stack file. Default: OMC_STACK, else omc.toml here or in a folder above.",
)
@click.version_option(omc.__version__, prog_name="omc", message="%(prog)s %(version)s")
@click.pass_context
def root(context: click.Context, stack: Path | None) -> None:
    """The runbook of a web application on AWS, as commands that are safe at 3 a.m.

    \b
    omc init                         omc.toml, from what runs in an account
    omc local up                     an AWS for the stack, on this machine
    omc check morning --env local    the runbook's morning checks
    omc diagnose --env local         why it is broken, and what to do next
    omc doctor --env staging         what omc relies on in this account, and whether it holds
    omc deploy --env local --image backend=DIGEST --dry-run
    omc rollback --env local         back to the last release that was verified here
    omc scale --env local backend 4 --for 2h
    omc exec --env local backend     a shell in a running container
    omc runs list                    what was changed, by whom, and how it went
    omc incident list --env local    what is wrong just now, as people recorded it
    omc oncall now --env production  who is on call, and how they are reached
    omc stack show                   what omc.toml says, and where AWS has it otherwise
    omc demo                         see it all: up, healthy, broken, explained

    \b
    Completion: eval "$(_OMC_COMPLETE=bash_source omc)"   (or zsh_source, fish_source)
    """
    context.obj = stack


@root.command()
def version() -> None:
    """The version of omc and of what it runs on.

    \b
    omc version
    """
    import platform
    from importlib.metadata import version as of

    echo(f"omc {omc.__version__} (Python {platform.python_version()}, botocore {of('botocore')})")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command line and exit: 0 fine, 1 no, 2 wrong use, 3 not known, 130 interrupted; a change has more."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    gc.set_threshold(300_000, 20, 20)  # a command makes many objects once and ends; looking for garbage costs 50 ms
    try:
        with reraise_interrupts():
            _refuse_broken(words)
            code: Any = root.main(args=words, prog_name="omc", standalone_mode=False)
        sys.stdout.flush()
    except OmcError as error:
        _say(with_environment(error.message, environment_of(words), root))
        code = error.exit_code
    except click.ClickException as error:
        _usage(error)
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output went away (`omc … | head`): that is no error of ours, nor worth a word.
        _drop_output()
        code = 0
    except OSError as error:
        if os.environ.get("OMC_DEBUG"):
            raise
        _say(_refused_by_the_machine(error) if error.strerror else _bug(error))
        _drop_output()  # what is left in its buffer would fail once more when the interpreter ends
        code = BUG
    except ModuleNotFoundError as error:
        if os.environ.get("OMC_DEBUG"):
            raise
        sentence = missing(error)
        _say(sentence or _bug(error))
        code = WrongUse.exit_code if sentence else BUG
    except Exception as error:
        if os.environ.get("OMC_DEBUG"):
            raise
        _say(_bug(error))
        code = BUG
    if "duckdb" not in sys.modules:  # it would report what is left frozen as a leak
        gc.freeze()  # the interpreter would look through 100,000 objects of botocore's for garbage as it ends: 0.1 s
    sys.exit(code if isinstance(code, int) else 0)


def _refuse_broken(words: Sequence[str]) -> None:
    """Bytes that are no UTF-8 come as half characters, which neither a database nor AWS takes."""
    for number, word in enumerate(words, start=1):
        if any("\ud800" <= character <= "\udfff" for character in word):
            raise click.UsageError(
                f"Argument {number} is not valid UTF-8: {word.encode('utf-8', 'replace').decode()!r}."
            )


def _drop_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refused_by_the_machine(error: OSError) -> str:
    """A full disk, a right that is missing, too many open files."""
    where = f" on {error.filename}" if error.filename else ""
    return (
        f"This machine refused{where}: {(error.strerror or '').lower()}. Nothing more was done. "
        "Fix that and run the command again; a change that had begun continues with omc runs resume. "
        f"({_place(error)})"
    )


def _bug(error: Exception) -> str:
    return (
        f"This is a bug in omc: {type(error).__name__}: {error} ({_place(error)}). OMC_DEBUG=1 shows the stack trace; "
        "please report it."
    )


def _place(error: Exception) -> str:
    """The innermost line of omc itself on the way to the error: what is worth knowing of one that won't come again."""
    import traceback

    here = Path(omc.__file__).parent
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(here)]
    return f"omc/{Path(ours[-1].filename).relative_to(here)}, line {ours[-1].lineno}" if ours else "not in omc's code"


def _usage(error: click.ClickException) -> None:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        echo(error.format_message(), err=True)  # a group by itself: its help, line by line
    elif isinstance(error, click.UsageError) and error.ctx is not None:
        message = error.format_message().replace("is not a valid integer range", "is not a whole number")
        _say(f"{message} See: {error.ctx.command_path} --help")
    else:
        _say(error.format_message())


def _say(sentence: str) -> None:
    echo(line(f"omc: {sentence}"), err=True)
