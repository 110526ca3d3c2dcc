"""``omc logs``: what the logs say, of any service and any time. Reads only."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from omc.aws.calls import Call, recording
from omc.aws.gateway import Gateway, access_to
from omc.cli.completion import service_names
from omc.cli.lazy import PlainGroup
from omc.cli.options import Ago, Period, environment_option
from omc.cli.show import OUTPUT, show
from omc.config import Environment, Stack, environment_of, load
from omc.errors import Unknown, WrongUse, did_you_mean, lacking
from omc.facts.flow_log import find_flow_log
from omc.logs import documents
from omc.logs.athena import OPERATIONS, ask_athena, execution_of, most_scanned, sql_of
from omc.logs.costs import cost_of, ensure_wanted
from omc.logs.files import LogFile, log_files
from omc.logs.from_s3 import ask_access_logs
from omc.logs.insights import ask, extent_of
from omc.logs.live import FOLLOWING, Tail, follow, groups_there
from omc.logs.local import local_errors, local_rows, local_statements, local_talkers, local_trace
from omc.logs.model import Answer, Span
from omc.logs.portable import PortableQuery, portable_query
from omc.logs.queries import SavedQuery, database_group, groups_over, query_named, saved_queries
from omc.logs.reading import NO_FLOW_LOG, read_errors, read_statements, read_talkers
from omc.logs.talkers import talkers_of
from omc.logs.trace import OBJECTS, groups_with_requests, read_trace, request_id, span_of_id
from omc.output import echo, shell_line
from omc.output.document import Document
from omc.progress import Progress

SERVICE = click.option(
    "--service",
    "services",
    multiple=True,
    metavar="NAME",
    shell_complete=service_names,
    help="Only this service; may be repeated.",
)
YES = click.option("-y", "--yes", is_flag=True, help="Don't ask before a large query.")
WAIT = click.option(
    "--wait",
    "patience",
    type=Period(units="mh", name="time to wait", allowed="minutes or hours: 5m, 1h"),
    default="5m",
    show_default=True,
    help="How long a query may take; what there is by then is shown. AWS ends each after an hour.",
)


def since_option(default: str = "24h") -> Callable[[Any], Any]:
    return click.option(
        "--since",
        "begin",
        type=Ago(),
        default=default,
        show_default=True,
        metavar="TIME",
        help="From when on: so long ago (45m, 24h, 7d), or a time with its offset.",
    )


UNTIL = click.option("--until", "end", type=Ago(), metavar="TIME", help="Until when, said alike.  [default: now]")

LOCAL = click.option(
    "--local", "is_local", is_flag=True, help="Read FILES in place of AWS: exported logs, also gzipped."
)
FILES = click.argument("files", nargs=-1, type=click.Path(path_type=Path), metavar="[FILES]...")
FORMAT = click.option(
    "--flow-format", metavar="FIELDS", help="Of flow logs without a header line: '${srcaddr} ${dstaddr} …'."
)
ENGINE = click.option(
    "--engine",
    type=click.Choice(["insights", "athena"]),
    default="insights",
    show_default=True,
    help="athena: the same of what is exported to S3.",
)
QUERY_ENGINE = click.option(
    "--engine",
    type=click.Choice(["insights", "s3", "athena"]),
    default="insights",
    show_default=True,
    help="s3: the load balancer's access logs, brought here. athena: what is exported to S3.",
)
EXPLAIN = click.option("--explain", is_flag=True, help="Also print the aws commands that ask the same, ready to paste.")
TOP = click.option("--top", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many rows.")


OF_AWS = {
    "services": "--service",
    "only_new": "--new",
    "estimate": "--estimate",
    "engine": "--engine",
    "env": "--env",
}
"""Parameters that mean nothing of files, with their options."""


def of_environment(command: Callable[..., Any]) -> Callable[..., Any]:
    """What every command that asks an environment's logs ends by: which one, how dear and how long it may be, how it is
    shown; and the context before the command's own parameters."""
    return environment_option(YES(WAIT(EXPLAIN(OUTPUT(click.pass_context(command))))))


def files_of(files: tuple[Path, ...], flow_format: str | None = None) -> tuple[LogFile, ...]:
    """What the files are."""
    return log_files(files, flow_format)


def given_span(context: click.Context, begin: datetime, end: datetime | None) -> Span | None:
    """The time that was said; None where none was: a file is read whole."""
    if context.get_parameter_source("begin") is ParameterSource.DEFAULT:
        return Span(datetime(1970, 1, 1, tzinfo=UTC), end) if end else None
    return span_of(begin, end, datetime.now(UTC))


def refuse_of_aws(context: click.Context) -> None:
    """Options that are about what AWS is asked: of files they would be passed over without a word."""
    if context.params.get("explain"):
        raise WrongUse("--explain prints what is asked of AWS; with --local nothing is.")
    for name, option in OF_AWS.items():
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise WrongUse(f"{option} is about what AWS is asked; with --local files are read as they are.")


def refuse_files(files: tuple[Path, ...]) -> None:
    """Files without ``--local`` are a slip."""
    if files:
        raise WrongUse(f"{files[0]} is a file only with --local. Without it, logs are read from AWS.")


class Asking(PlainGroup):
    """Commands that take AWS's answers as they come: a field that one lacks is AWS's, as where facts are read."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyError as error:
            raise lacking(error) from error


@click.group(cls=Asking)
def logs() -> None:
    """What the logs say: errors by shape, slow statements, who talks most, saved queries, one request's trace.

    Only the environment's own log groups are read. Ctrl-C stops a query in AWS too, since it is paid for by what it
    looks at.

    \b
    Exit codes: 0 all of it was read, 1 what was asked for by its name isn't there, 2 wrong use, 3 some of it couldn't
    be read.

    \b
    omc logs errors --env production --since 2h
    omc logs query error-rate --env staging
    """


@dataclass(frozen=True, slots=True)
class Desk:
    """What each of these commands works with."""

    stack: Stack
    environment: Environment
    span: Span
    now: datetime

    @property
    def zone(self) -> str:
        return self.stack.time_zone


def desk_of(
    file: Path | None, env: str | None, begin: datetime, end: datetime | None, services: tuple[str, ...] = ()
) -> Desk:
    """The environment, narrowed to the services that are meant, and the time."""
    stack = load(file)
    environment = only(environment_of(stack, env), services)
    now = datetime.now(UTC)
    return Desk(stack, environment, span_of(begin, end, now), now)


def span_of(begin: datetime, end: datetime | None, now: datetime) -> Span:
    """``WrongUse`` for a time that ends before it begins."""
    last = end or now
    if begin >= last:
        raise WrongUse("--since must be earlier than --until, and neither may be in the future.")
    return Span(begin.astimezone(UTC), last.astimezone(UTC))


def only(environment: Environment, names: tuple[str, ...]) -> Environment:
    """The environment with only these of its services."""
    there = {service.name: service for service in environment.services}
    for name in names:
        if name not in there:
            hint = did_you_mean(name, list(there))
            raise WrongUse(f'{environment.name} has no service "{name}"; it has {", ".join(there)}.{hint}')
    return replace(environment, services=tuple(there[name] for name in dict.fromkeys(names))) if names else environment


def say(document: Document, output: str, desk: Desk, calls: Sequence[Call] | None) -> None:
    """Show it; with ``calls``, also the commands that ask the same."""
    if calls is not None:
        from omc.reports.by_hand import commands_of

        document = documents.with_commands(document, commands_of(calls, desk.environment))
    show(document, output)


def asked_of_athena(desk: Desk, query: PortableQuery, top: int, patience: float) -> Answer:
    """The answer of Athena, with what it may cost said before and what it cost after."""
    gateway = Gateway(desk.environment, access_to(desk.environment), allowed=OPERATIONS)
    place = execution_of(desk.environment, desk.stack.logs.athena_workgroup)
    region, progress = desk.environment.region, Progress()
    if (most := most_scanned(gateway, place)) is None:
        progress.note(f"The workgroup {place.workgroup} has no bound on what a query scans.")
    else:
        price = cost_of(most, region, "athena.scanned")
        progress.note(f"Athena scans at most {documents.bytes_shown(most)}, which costs {price}.")
    answer = ask_athena(gateway, place, sql_of(query, desk.span, top), patience=patience, report=progress.waiting)
    progress.done()
    size = answer.bytes_scanned
    progress.note(f"It scanned {documents.bytes_shown(size)}: {cost_of(size, region, 'athena.scanned')}.")
    return answer


def asked_of_access_logs(desk: Desk, query: PortableQuery, top: int) -> Answer:
    """The answer of the access logs in S3, with how much was read said after."""
    gateway = Gateway(desk.environment, access_to(desk.environment), allowed=OBJECTS)
    progress = Progress()
    answer = ask_access_logs(gateway, desk.environment, query, desk.span, top, progress.waiting)
    progress.done()
    size = documents.bytes_shown(answer.bytes_scanned)
    progress.note(f"Access logs read: {answer.scanned:,}, {size} as they lie in S3.")
    return answer


@logs.command()
@since_option()
@UNTIL
@SERVICE
@click.option(
    "--new", "only_new", is_flag=True, help="Only what came with the last deployment; exit code 1 if any did."
)
@FILES
@LOCAL
@of_environment
def errors(
    context: click.Context,
    files: tuple[Path, ...],
    is_local: bool,
    begin: datetime,
    end: datetime | None,
    services: tuple[str, ...],
    only_new: bool,
    env: str | None,
    yes: bool,
    patience: Any,
    explain: bool,
    output: str,
) -> None:
    """Errors that the services logged, grouped by shape: how often, first and last seen, an example, and whether they
    are new since the last deployment.

    A line is an error by its own level, then by its words. Values such as numbers, ids and addresses make no other
    shape. Secrets are masked.

    \b
    omc logs errors --env production
    omc logs errors --env production --service backend --since 7d --until 2d
    omc logs errors --env staging --new --output json
    omc logs errors --local exported/*.gz access-logs/
    """
    if is_local:
        refuse_of_aws(context)
        stack = load(context.obj)
        span = given_span(context, begin, end)
        read = local_errors(files_of(files), span)
        show(documents.errors_document(read, "these files", stack.time_zone, span), output)
        context.exit(3 if read.answer.gaps or not read.answer.scanned else 0)
    refuse_files(files)
    calls = context.with_resource(recording())
    desk = desk_of(context.obj, env, begin, end, services)
    gateway = Gateway(desk.environment, access_to(desk.environment))
    groups = [service.log_group for service in desk.environment.services]
    extent = extent_of(gateway, groups, desk.span, desk.now)
    ensure_wanted(extent.bytes, desk.environment.region, desk.stack.logs, yes=yes)
    progress = Progress()
    found = read_errors(gateway, desk.environment, desk.span, patience.total_seconds(), progress.waiting)
    progress.done()
    if only_new:
        found = replace(found, shapes=tuple(shape for shape in found.shapes if shape.is_new))
    document = documents.errors_document(found, desk.environment.name, desk.zone, desk.span)
    say(document, output, desk, calls if explain else None)
    if found.answer.gaps or found.answer.missing or not (found.answer.scanned or found.shapes):
        context.exit(3)
    context.exit(1 if only_new and found.shapes else 0)


@logs.command()
@click.argument("name", required=False, metavar="[NAME]")
@click.option("--text", help="A query as Logs Insights takes it, in place of a saved one.")
@click.option("--list", "listed", is_flag=True, help="List the saved queries and ask AWS nothing.")
@click.option("--estimate", is_flag=True, help="Say how much it would look at and cost, and start nothing.")
@FILES
@LOCAL
@FORMAT
@QUERY_ENGINE
@TOP
@since_option("1h")
@UNTIL
@SERVICE
@of_environment
def query(
    context: click.Context,
    name: str | None,
    text: str | None,
    listed: bool,
    estimate: bool,
    files: tuple[Path, ...],
    is_local: bool,
    flow_format: str | None,
    engine: str,
    top: int,
    begin: datetime,
    end: datetime | None,
    services: tuple[str, ...],
    env: str | None,
    yes: bool,
    patience: Any,
    explain: bool,
    output: str,
) -> None:
    """A Logs Insights query: a saved one by NAME, or --text over the services' log groups.

    How much it looks at is estimated first from what the log groups hold; above the bound of omc.toml you are asked.
    Insights gives 10,000 rows at most.

    \b
    omc logs query --list
    omc logs query errors --env staging
    omc logs query rejected --since 6h --estimate --env production
    omc logs query --text 'stats count(*) by bin(5m)' --service backend --env production
    omc logs query slow-requests --local access-logs/ --top 50
    omc logs query clients --engine s3 --since 30m --env production
    omc logs query clients --engine athena --since 30d --env production
    """
    if listed:
        show(documents.saved_document(list(saved_queries(load(context.obj).logs).values())), output)
        return
    if is_local:
        refuse_of_aws(context)
        if not name or text:
            raise WrongUse("Of files a saved query is asked by its name. The names: omc logs query --list")
        wanted = portable_query(name)
        rows, gaps = local_rows(wanted, files_of(files, flow_format), given_span(context, begin, end), top)
        show(documents.rows_document(wanted.title, rows, gaps, "files"), output)
        context.exit(3 if gaps else 0)
    refuse_files(files)
    calls = context.with_resource(recording())
    if engine == "athena":
        if not name or text:
            raise WrongUse("Athena is asked a saved query by its name. The names: omc logs query --list")
        wanted = portable_query(name)
        desk = desk_of(context.obj, env, begin, end)
        answer = asked_of_athena(desk, wanted, top, patience.total_seconds())
        title = f"{wanted.title}, {documents.span_shown(desk.span, desk.zone)}"
        document = documents.rows_document(title, answer.rows, answer.gaps, "athena")
        say(document, output, desk, calls if explain else None)
        context.exit(3 if answer.gaps else 0)
    if engine == "s3":
        if not name or text:
            raise WrongUse("Access logs are asked a saved query by its name. The names: omc logs query --list")
        wanted = portable_query(name)
        desk = desk_of(context.obj, env, begin, end)
        answer = asked_of_access_logs(desk, wanted, top)
        title = f"{wanted.title}, {documents.span_shown(desk.span, desk.zone)}"
        document = documents.rows_document(title, answer.rows, answer.gaps, "s3")
        say(document, output, desk, calls if explain else None)
        context.exit(3 if answer.gaps else 0)
    if (name is None) == (text is None):
        raise WrongUse("Give a saved query's name or --text, one of the two. The names: omc logs query --list")
    desk = desk_of(context.obj, env, begin, end, services)
    saved = query_named(desk.stack.logs, name) if name else SavedQuery("", "", text or "", "services")
    groups = groups_over(saved, desk.environment)
    gateway = Gateway(desk.environment, access_to(desk.environment))
    extent = extent_of(gateway, groups, desk.span, desk.now)
    if estimate:
        price = cost_of(extent.bytes, desk.environment.region)
        show(documents.extent_document(extent.bytes, price, groups, extent.missing), output)
        return
    ensure_wanted(extent.bytes, desk.environment.region, desk.stack.logs, yes=yes)
    progress = Progress()
    answer = ask(gateway, groups, saved.text, desk.span, patience=patience.total_seconds(), report=progress.waiting)
    progress.done()
    document = documents.query_document(saved, answer, groups, desk.span, desk.zone)
    say(document, output, desk, calls if explain else None)
    context.exit(3 if answer.gaps or answer.missing else 0)


@logs.command("top-talkers")
@since_option("1h")
@UNTIL
@FILES
@LOCAL
@FORMAT
@ENGINE
@TOP
@of_environment
def top_talkers(
    context: click.Context,
    begin: datetime,
    end: datetime | None,
    files: tuple[Path, ...],
    is_local: bool,
    flow_format: str | None,
    engine: str,
    top: int,
    env: str | None,
    yes: bool,
    patience: Any,
    explain: bool,
    output: str,
) -> None:
    """Who talks to whom most, by the VPC's flow log: bytes, packets, and what has each address now (a task of a
    service, a load balancer, a NAT gateway, the internet).

    A flow has the lower of its two ports, the one that is served. Files may be of version 2 with or without a header
    line, of a format of their own with one, gzipped, or Parquet.

    \b
    omc logs top-talkers --env production --since 6h
    omc logs top-talkers --engine athena --since 30d --env production
    omc logs top-talkers --local flow-logs/ --top 50
    omc logs top-talkers --local flow.log.gz --flow-format '${srcaddr} ${dstaddr} ${bytes}'
    """
    if is_local:
        refuse_of_aws(context)
        talkers, answer = local_talkers(files_of(files, flow_format), given_span(context, begin, end), top)
        show(documents.talkers_document(talkers, answer, "Top talkers of these files", "files"), output)
        context.exit(3 if answer.gaps else 0)
    refuse_files(files)
    calls = context.with_resource(recording())
    desk = desk_of(context.obj, env, begin, end)
    if engine == "athena":
        answer = asked_of_athena(desk, portable_query("talkers"), top, patience.total_seconds())
        title = f"Top talkers of {desk.environment.name}, {documents.span_shown(desk.span, desk.zone)}"
        document = documents.talkers_document(talkers_of(answer.rows), answer, title, "athena")
        say(document, output, desk, calls if explain else None)
        context.exit(3 if answer.gaps else 0)
    gateway = Gateway(desk.environment, access_to(desk.environment))
    flow = find_flow_log(gateway, desk.environment)
    if not flow.log_group:
        raise Unknown(NO_FLOW_LOG)
    extent = extent_of(gateway, [flow.log_group], desk.span, desk.now)
    ensure_wanted(extent.bytes, desk.environment.region, desk.stack.logs, yes=yes)
    progress = Progress()
    talkers, answer = read_talkers(
        gateway, desk.environment, flow, desk.span, top, patience.total_seconds(), progress.waiting
    )
    progress.done()
    title = f"Top talkers of {desk.environment.name}, {documents.span_shown(desk.span, desk.zone)}"
    document = documents.talkers_document(talkers, answer, title, flow.log_group)
    say(document, output, desk, calls if explain else None)
    context.exit(3 if answer.gaps else 0)


@logs.command("slow-queries")
@since_option()
@UNTIL
@FILES
@LOCAL
@of_environment
def slow_queries(
    context: click.Context,
    begin: datetime,
    end: datetime | None,
    files: tuple[Path, ...],
    is_local: bool,
    env: str | None,
    yes: bool,
    patience: Any,
    explain: bool,
    output: str,
) -> None:
    """Slow statements that PostgreSQL logged, grouped without their values: how often, how long altogether and at most,
    by whom, and the plan where auto_explain wrote it.

    \b
    omc logs slow-queries --env production --since 7d
    omc logs slow-queries --local postgresql.log.gz --output json
    """
    if is_local:
        refuse_of_aws(context)
        stack = load(context.obj)
        statements, answer = local_statements(files_of(files), given_span(context, begin, end))
        show(
            documents.statements_document(statements, answer, "Slow statements of these files", stack.time_zone), output
        )
        context.exit(3 if answer.gaps else 0)
    refuse_files(files)
    calls = context.with_resource(recording())
    desk = desk_of(context.obj, env, begin, end)
    gateway = Gateway(desk.environment, access_to(desk.environment))
    extent = extent_of(gateway, [database_group(desk.environment)], desk.span, desk.now)
    ensure_wanted(extent.bytes, desk.environment.region, desk.stack.logs, yes=yes)
    progress = Progress()
    statements, answer = read_statements(
        gateway, desk.environment, desk.span, patience.total_seconds(), progress.waiting
    )
    progress.done()
    title = f"Slow statements of {desk.environment.name}, {documents.span_shown(desk.span, desk.zone)}"
    document = documents.statements_document(statements, answer, title, desk.zone)
    say(document, output, desk, calls if explain else None)
    context.exit(3 if answer.gaps else 0)


@logs.command()
@click.option("--filter", "pattern", default="", help="A filter pattern, as CloudWatch Logs takes it.")
@click.option(
    "--since",
    "begin",
    type=Ago(),
    metavar="TIME",
    help="Show what came since then first: 10m, or a time with its offset.",
)
@click.option(
    "--for",
    "length",
    type=Period(timedelta(days=1), "seconds, minutes or hours up to 24h: 30s, 10m", units="smh"),
    metavar="PERIOD",
    help="End after so long.  [default: at Ctrl-C]",
)
@click.option("--explain", is_flag=True, help="First print the aws commands that follow the same.")
@SERVICE
@environment_option
@click.option("--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_context
def tail(
    context: click.Context,
    pattern: str,
    begin: datetime | None,
    length: timedelta | None,
    explain: bool,
    services: tuple[str, ...],
    env: str | None,
    output: str,
) -> None:
    """The services' log lines as they come, by Live Tail; where that can't be had, by asking every two seconds.

    AWS bills Live Tail by the minute. Secrets are masked. With --output json each line is an object.

    \b
    omc logs tail --env staging --service backend
    omc logs tail --env production --filter '?ERROR ?CRITICAL' --since 10m
    """
    stack = load(context.obj)
    environment = only(environment_of(stack, env), services)
    gateway = Gateway(environment, access_to(environment), allowed=FOLLOWING)
    names = {service.log_group: service.name for service in environment.services}
    there = groups_there(gateway, list(names))
    progress = Progress()
    for missing in [name for name in names if name not in there]:
        progress.note(f"The log group {missing} doesn't exist.")
    if not there:
        raise Unknown(f"None of the services' log groups of {environment.name} exists, so there is nothing to follow.")
    if explain:
        chosen = ["--filter-pattern", pattern] if pattern else []
        for name in there:
            progress.note(
                shell_line(["aws", "logs", "tail", name, "--follow", *chosen, "--region", environment.region])
            )
    end = time.monotonic() + length.total_seconds() if length else math.inf
    for event in follow(gateway, Tail(there, pattern), begin, progress.note, lambda: time.monotonic() > end):
        echo(documents.event_line(event, names.get(event.source, event.source), stack.time_zone, output))
        sys.stdout.flush()


@logs.command()
@click.argument("request", metavar="REQUEST-ID")
@since_option()
@UNTIL
@FILES
@LOCAL
@of_environment
def trace(
    context: click.Context,
    request: str,
    begin: datetime,
    end: datetime | None,
    files: tuple[Path, ...],
    is_local: bool,
    env: str | None,
    yes: bool,
    patience: Any,
    explain: bool,
    output: str,
) -> None:
    """All that was logged of one request: by the load balancer (its access logs in S3) and in the log groups of the
    services and the database.

    REQUEST-ID is what X-Amzn-Trace-Id says, which tells when the request was, or an id of the application's. Exit code
    1 where nothing tells of it.

    \b
    omc logs trace 1-67e1a2b3-0123456789abcdef01234567 --env production
    omc logs trace order-4711-a --since 2h --env staging
    omc logs trace 1-67e1a2b3-0123456789abcdef01234567 --local access-logs/ backend.log.gz
    """
    wanted = request_id(request)
    stack = load(context.obj)
    if is_local:
        refuse_of_aws(context)
        events, answer = local_trace(files_of(files), wanted, given_span(context, begin, end))
        show(documents.trace_document(wanted, events, answer, {}, stack.time_zone), output)
        context.exit(3 if answer.gaps else 0 if events else 1)
    refuse_files(files)
    calls = context.with_resource(recording())
    desk = desk_of(context.obj, env, begin, end)
    is_default = context.get_parameter_source("begin") is ParameterSource.DEFAULT
    span = (span_of_id(wanted) if is_default and end is None else None) or desk.span
    gateway = Gateway(desk.environment, access_to(desk.environment), allowed=OBJECTS)
    extent = extent_of(gateway, groups_with_requests(desk.environment), span, desk.now)
    ensure_wanted(extent.bytes, desk.environment.region, desk.stack.logs, yes=yes)
    progress = Progress()
    found = read_trace(gateway, desk.environment, wanted, span, patience.total_seconds(), progress.waiting)
    progress.done()
    names = {service.log_group: service.name for service in desk.environment.services}
    document = documents.trace_document(wanted, found.events, found.answer, names, desk.zone)
    say(document, output, desk, calls if explain else None)
    context.exit(3 if found.answer.gaps else 0 if found.events else 1)
