"""``omc runbook``: the runbook's sections, with today's values in their commands."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from omc import __version__
from omc.aws.gateway import Gateway, access_to
from omc.cli.lazy import PlainGroup
from omc.cli.options import environment_option
from omc.cli.show import OUTPUT
from omc.cli.show import show as show_document
from omc.config import environment_of, load
from omc.errors import WrongUse
from omc.output.gate import echo
from omc.runbook.document import section_document, sections_document
from omc.runbook.model import section_named, sections
from omc.runbook.values import look_ups_by


@click.group(cls=PlainGroup)
def runbook() -> None:
    """The runbook: what there is in it, a section with today's values in its commands, and what is wrong with a
    runbook of anybody's. Changes nothing.

    \b
    omc runbook list
    omc runbook show database --env production
    omc runbook check docs/oncall.md
    """


@runbook.command(name="list")
@OUTPUT
def list_sections(output: str) -> None:
    """Every section by the name to show it by. Asks AWS nothing.

    \b
    omc runbook list
    omc runbook list --output markdown
    """
    show_document(sections_document(sections()), output)


@runbook.command()
@click.argument("name", metavar="ISSUE")
@environment_option
@click.option("--service", default="", metavar="NAME", help="Put this service into the commands.")
@click.option("--plain", is_flag=True, help="As it is written: nothing is put in, and AWS is asked nothing.")
@OUTPUT
@click.pass_context
def show(context: click.Context, name: str, env: str | None, service: str, plain: bool, output: str) -> None:
    """A section of the runbook, its commands ready to paste: with the environment's names and what they look up (load
    balancer, target groups, addresses, revision, tasks) in place.

    ISSUE is an issue as omc diagnose has it (database, redis, tasks-restarting), a heading (application-rollback), a
    chapter (alerts), or deployment#restart. Only reads are sent. What can't be looked up stays, and is listed with the
    reason; a value is as old as the page.

    \b
    omc runbook show database --env production
    omc runbook show tasks-restarting --env staging --service frontend
    omc runbook show application-rollback --env production --output markdown
    omc runbook show maintenance --plain
    """
    section = section_named(name)
    if plain:
        if env or service:
            raise WrongUse("--plain puts nothing in: leave --env and --service out, or --plain.")
        show_document(section_document(section, None, None, datetime.now(UTC)), output, page=output == "table")
        return
    environment = environment_of(load(context.obj), env)
    known = [each.name for each in environment.services]
    if service and service not in known:
        raise WrongUse(f'{environment.name} has no service "{service}"; it has {", ".join(known)}.')
    ask = look_ups_by(Gateway(environment, access_to(environment)))
    document = section_document(section, environment, ask, datetime.now(UTC), service)
    show_document(document, output, page=output == "table")


@runbook.command()
@click.argument("files", metavar="FILE...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--baseline", type=click.Path(path_type=Path), metavar="FILE", help="Leave out what this file has.")
@click.option("--write-baseline", type=click.Path(path_type=Path), metavar="FILE", help="Write what there is today.")
@click.option("--sarif", "sarif_file", type=click.Path(path_type=Path), metavar="FILE", help="Write SARIF 2.1.0 too.")
@click.option(
    "--github/--no-github",
    default=None,
    help="Annotations of GitHub Actions. Default: where it runs there, as a table.",
)
@click.option("--rules", "list_rules", is_flag=True, help="List the rules, and check nothing.")
@OUTPUT
@click.pass_context
def check(
    context: click.Context,
    files: tuple[Path, ...],
    baseline: Path | None,
    write_baseline: Path | None,
    sarif_file: Path | None,
    github: bool | None,
    list_rules: bool,
    output: str,
) -> None:
    """What is wrong with a runbook in Markdown, of anybody's: commands that AWS's CLI would refuse, queries that the
    shell eats, a way back that leads to the newest revision, blanks that could be looked up, steps that are never
    reached. Asks AWS nothing, runs nothing. A folder stands for the Markdown files in it.

    Ends with 1 where it found an error or a warning; notes alone end with 0. A comment in the line before takes a find
    out: <!-- omc-runbook-ignore RULE: reason -->

    \b
    omc runbook check docs/runbook
    omc runbook check RUNBOOK.md --write-baseline .runbook-baseline.json
    omc runbook check RUNBOOK.md --baseline .runbook-baseline.json --sarif runbook.sarif
    omc runbook check --rules
    """
    from omc.runbook.lint import document as shown
    from omc.runbook.lint.check import baseline_of, fails, finds_in, read, without_known

    if list_rules:
        show_document(shown.rules_document(), output, page=output == "table")
        return
    if not files:
        raise WrongUse("Name at least one Markdown file, or a folder of them: omc runbook check RUNBOOK.md")
    every = list(dict.fromkeys(_markdown_files(files)))
    today = datetime.now(UTC).date()
    found = [one for file in every for one in finds_in(read(file), file, today)]
    if write_baseline is not None:
        _written(write_baseline, baseline_of(found))
        echo(f"Written: {write_baseline}, with {len(found)} of today's finds.")
        return
    everything = len(found)
    if baseline is not None:
        found = list(without_known(found, read(baseline), str(baseline)))
    if sarif_file is not None:
        _written(sarif_file, shown.sarif(found, __version__))
    if github or (github is None and os.environ.get("GITHUB_ACTIONS") == "true" and output == "table"):
        for line in shown.github_lines(found):
            echo(line)
    show_document(shown.finds_document(found, len(every), everything - len(found)), output)
    if fails(found):
        context.exit(1)


def _markdown_files(named: tuple[Path, ...]) -> list[Path]:
    found: list[Path] = []
    for path in named:
        if path.is_dir():
            within = sorted(each for each in path.rglob("*.md") if each.is_file())
            if not within:
                raise WrongUse(f"{path} has no Markdown file in it.")
            found += within
        else:
            found.append(path)
    return found


def _written(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise WrongUse(f"{file} can't be written: {error.strerror}.") from None
