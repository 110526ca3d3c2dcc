"""The command line itself: quick, lazy, quiet in pipes, coloured on terminals, and never a traceback."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import click
import pytest

from omc.cli.deploy import Length
from omc.cli.incident import incident
from omc.cli.incident_options import LEVEL
from omc.cli.lazy import LazyGroup
from omc.cli.local import COMMANDS as LOCAL_COMMANDS
from omc.cli.local import local
from omc.cli.main import COMMANDS, main, root
from omc.cli.options import Period
from omc.engine.run_document import heading
from omc.output import terminal
from omc.output.document import Document, Field, Row, Table
from omc.output.gate import page
from support.commands import CommandResult, run

REPOSITORY = Path(__file__).parents[4]
HEAVY = ("botocore", "boto3", "rich", "sqlalchemy", "fastapi", "moto", "localcloud", "httpx")


def omc(*arguments: str, **environment: str) -> CommandResult:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "OMC_"))}
    return run([sys.executable, "-m", "omc", *arguments], kept | environment, 60)


def on_a_terminal(*arguments: str, **environment: str) -> str:
    """What the command writes when its output is a terminal."""
    parent, child = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM")}
    process = subprocess.Popen(
        [sys.executable, "-m", "omc", *arguments],
        stdout=child,
        stderr=subprocess.DEVNULL,
        cwd=REPOSITORY,
        env=kept | {"TERM": "xterm"} | environment,
    )
    os.close(child)
    payload = b""
    try:
        while piece := os.read(parent, 65536):
            payload += piece
    except OSError:  # the other side is closed
        pass
    process.wait(30)
    os.close(parent)
    return payload.decode()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["check", "--help"],
        ["check", "morning", "--help"],
        ["stack", "show", "--offline"],
        *([command, "--help"] for command in ("runs", "approve", "incident", "audit", "worker")),
        ["incident", "open", "--help"],
    ],
)
def test_help_and_the_stack_file_import_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom omc.cli.main import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert done.stdout.splitlines()[-1] == "HEAVY []"


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["--help"], {}),
        (["-h"], {}),
        ([], {}),
        (["--version"], {}),
        (["version"], {}),
        (["chek"], {}),
        (["--hlep"], {}),
        ([], {"_OMC_COMPLETE": "bash_complete", "COMP_WORDS": "omc ", "COMP_CWORD": "1"}),
        ([], {"_OMC_COMPLETE": "zsh_complete", "COMP_WORDS": "omc de", "COMP_CWORD": "1"}),
        (["local", "--help"], {}),
        (["local", "falt"], {}),
        ([], {"_OMC_COMPLETE": "bash_complete", "COMP_WORDS": "omc local ", "COMP_CWORD": "2"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value.get("COMP_WORDS", ""),
)
def test_the_names_of_commands_are_listed_without_their_modules(
    arguments: list[str], environment: dict[str, str]
) -> None:
    allowed = {"omc.cli.local"} if "local" in " ".join([*arguments, *environment.values()]) else set()
    program = (
        "import sys\nfrom omc.cli.main import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print()\nprint('LOADED', *[name for name in sys.modules if name.startswith('omc.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environment,
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert {"LOADED", "omc.cli.main", "omc.cli.lazy"} <= loaded
    assert loaded & {lazy.module for lazy in (*COMMANDS.values(), *LOCAL_COMMANDS.values())} == allowed


@pytest.mark.parametrize(
    ("group", "name"), [(group, name) for group in (root, local) for name in group.list_commands(click.Context(group))]
)
def test_the_help_in_the_list_is_the_command_s_own(group: click.Group, name: str) -> None:
    assert isinstance(group, LazyGroup)
    context = click.Context(group)
    listed, command = group.listed(context)[name], group.get_command(context, name)
    assert command is not None
    assert command.name == name
    assert not command.hidden
    for width in (1000, 45, 20):
        assert listed.get_short_help_str(width) == command.get_short_help_str(width) != ""


def test_the_shell_completes_the_names_of_commands_and_options() -> None:
    def completed(incomplete: str) -> set[str]:
        return {item.value for item in root.shell_complete(click.Context(root), incomplete)}

    assert completed("dep") == {"deploy", "deployments"}
    assert completed("") == set(root.list_commands(click.Context(root)))
    assert completed("--st") == {"--stack"}
    assert completed("x") == set()


def test_the_morning_check_imports_no_database_and_nothing_else_that_it_rarely_needs() -> None:
    program = (
        "import sys\nimport omc.cli.check, omc.reports.report_json, omc.reports.screen, omc.reports, omc.aws.gateway\n"
        "rare = 'alembic', 'asyncio', 'boto3', 'omc.checks.causes.explain', 'psycopg', 'sqlalchemy'\n"
        "print([name for name in rare if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


INCIDENT_VERBS = sorted(incident.commands)


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["check"],
        ["check", "morning"],
        ["stack"],
        ["stack", "show", "--offline"],
        ["local"],
        ["runs"],
        *(["runs", verb] for verb in ("list", "show", "resume", "cancel", "undo")),
        ["approve"],
        ["incident"],
        *(["incident", verb] for verb in INCIDENT_VERBS),
        ["audit"],
        ["audit", "verify"],
        ["audit", "show"],
        ["worker"],
    ],
)
def test_every_command_has_help_with_an_example(command: list[str]) -> None:
    done = omc(*command, "--help")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^ {2,}(eval \")?\$?\(?omc ", done.stdout, re.MULTILINE), done.stdout


def groups(group: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(group, click.Group):
        yield path
        for name in group.list_commands(click.Context(group)):
            yield from groups(group.get_command(click.Context(group), name) or click.Command("x"), (*path, name))


def omc_help(path: tuple[str, ...]) -> str:
    command: click.Group = root
    context = click.Context(root, info_name="omc")
    for name in path:
        found = command.get_command(context, name)
        assert isinstance(found, click.Group)
        context, command = click.Context(found, parent=context, info_name=name), found
    return command.get_help(context) + "\n"


@pytest.mark.parametrize("path", list(groups(root)), ids=" ".join)
def test_a_group_by_itself_shows_its_help(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(path)
    printed = capsys.readouterr()
    assert ended.value.code == 2  # nothing was asked
    assert printed.out == ""
    assert printed.err.startswith(" ".join(["Usage: omc", *path]))
    assert printed.err == omc_help(path), "line by line, and nothing in it is taken for a secret"


def test_the_shell_completes_environments() -> None:
    done = omc(_OMC_COMPLETE="bash_complete", COMP_WORDS="omc check morning --env ", COMP_CWORD="4")
    assert done.stdout.split() == ["plain,local", "plain,staging", "plain,production"]


def test_a_bug_is_reported_in_one_sentence_unless_it_is_asked_for(tmp_path: Path) -> None:
    program = (
        "import omc.cli.main as m, omc.adoption.command_stack as s\n"
        "s._document = None\n"  # as if a later change had broken it
        "m.main(['stack', 'show', '--offline', '--output', 'json'])"
    )
    for debug, message in (("", "omc: This is a bug in omc: TypeError"), ("1", "Traceback")):
        done = run([sys.executable, "-c", program], os.environ | {"OMC_DEBUG": debug})
        assert done.stderr.startswith(message)
        assert debug or re.search(r"\(omc/adoption/command_stack\.py, line \d+\)", done.stderr)
        assert done.returncode == (1 if debug else 3)


def commands(group: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(group, click.Group):
        yield path, group
        return
    context = click.Context(group)
    for name in group.list_commands(context):
        yield from commands(group.get_command(context, name) or group, (*path, name))


NUMBERS = [
    pytest.param(parameter, id=f"{' '.join(path)} {parameter.name}")
    for path, command in commands(root)
    for parameter in command.params
    if isinstance(parameter.type, (click.IntRange, click.FloatRange, Length, Period))
    or parameter.type in (click.INT, click.FLOAT)
]
ODD = ["9" * 30, "9" * 5_000, "-" + "9" * 30, "1e999", "nan", "inf", "²", "٣h", "0x10", "1_0", "", " ", "9" * 30 + "h"]


@pytest.mark.parametrize("parameter", NUMBERS)
def test_no_number_is_too_odd_for_a_sentence(parameter: click.Parameter) -> None:
    """Beyond what a clock, a column or AWS counts, and what Python takes for digits and others don't."""
    context = click.Context(click.Command("x"))
    for text in ODD:
        try:
            value = parameter.type.convert(text, parameter, context)
        except click.BadParameter:
            continue
        seconds = value.total_seconds() if isinstance(value, timedelta) else value
        assert 0 <= seconds < 2**63, text


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("1", 1), ("2", 2), ("3", 3), (" 2", 2), ("SEV-1", 1), ("sev-2", 2), ("Sev3", 3), ("SEV 2", 2), ("SEV_1", 1)),
        *((each, None) for each in ("0", "4", "SEV-0", "SEV-4", "SEV", "SEV-", "high", "SEV-two", "SEV--1", "2.5", "")),
    ],
)
def test_a_severity_is_written_as_people_say_it(text: str, number: int | None) -> None:
    if number is not None:
        assert LEVEL.convert(text, None, None) == number
        return
    with pytest.raises(click.BadParameter):
        LEVEL.convert(text, None, None)


@pytest.mark.parametrize(
    ("title", "environment", "shown"),
    [
        ("Roll back backend to ohmycoins-backend:1 in local", "local", None),
        ("Apply to the infrastructure of staging: 1 added", "staging", None),
        ("Destroy all of staging: 3 destroyed", "staging", None),
        ("Migrate the database of local with ohmycoins-backend:1", "local", None),
        ("Scale backend to 3 tasks, limits 3-10", "local", "Scale backend to 3 tasks, limits 3-10, local"),
        ("Restart local-cache: new tasks", "local", "Restart local-cache: new tasks, local"),
        ("Restart my-local: new tasks", "local", "Restart my-local: new tasks, local"),
        ("Restart locals: new tasks", "local", "Restart locals: new tasks, local"),
    ],
)
def test_a_run_is_headed_by_its_title_and_its_environment_once(title: str, environment: str, shown: str | None) -> None:
    assert heading(title, environment) == (shown or title)


def test_there_are_numbers_to_try() -> None:
    assert len(NUMBERS) > 10


@pytest.mark.parametrize("words", [["runs", "show", b"\xff"], [b"\xc3", "x"], ["deploy", "--override", b"a\xe9"]])
def test_bytes_that_are_no_text_are_refused_in_one_sentence(words: list[str | bytes]) -> None:
    command = [sys.executable, "-m", "omc", *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=REPOSITORY)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "is not valid UTF-8" in done.stderr


def test_a_full_disk_is_one_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "omc", "stack", "show", "--offline"],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        )
    assert done.returncode == 3
    assert done.stderr.startswith("omc: This machine refused: no space left on device.")
    assert done.stderr.count("\n") == 1


def test_what_ctrl_c_broke_on_its_way_is_no_bug() -> None:
    """A library that cleans up after the interrupt and fails at it raises that failure instead."""
    program = (
        "import omc.cli.main as m, omc.config as s\n"
        "def load(file):\n"
        "    try:\n"
        "        raise KeyboardInterrupt\n"
        "    finally:\n"
        "        open('/nowhere/at/all')\n"
        "s.load = load\n"
        "m.main(['stack', 'show', '--offline'])"
    )
    done = run([sys.executable, "-c", program])
    assert (done.returncode, done.stderr) == (130, "")


def test_a_reader_that_leaves_early_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m omc stack show --offline --output json | head -c 5",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
    )
    assert (done.stdout, done.stderr) == ('{\n  "', "")


def test_stack_show_resolves_everything() -> None:
    message = omc("stack", "show", "--offline", "--env", "production").stdout
    assert "sunday 02:00-04:00 AEST (for AWS: sat:16:00-sat:18:00); next: Sun" in message
    assert "log group /ecs/ohmycoins-production/backend, target group ohmycoins-production-backend" in message
    assert "ohmycoins-production-redis" in message
    assert "CPU 70 %, memory 80 %" in message
    assert re.search(r"after 45 min +Engineering Manager", message)
    payload = json.loads(omc("stack", "show", "--offline", "--env", "production", "--output", "json").stdout)
    window = payload["environments"]["production"]["windows"][0]
    assert (window["aws"], window["required"]) == ("sat:16:00-sat:18:00", False)
    assert "deployments in it only" not in message


def test_stack_show_says_where_deployments_wait_for_the_window(tmp_path: Path) -> None:
    text = (REPOSITORY / "omc.toml").read_text()
    assert text.count("# required = true ") == 1
    (tmp_path / "omc.toml").write_text(text.replace("# required = true ", "required = true "))
    file = str(tmp_path / "omc.toml")
    shown = ("--stack", file, "stack", "show", "--offline", "--env", "production")
    assert "; deployments in it only" in omc(*shown).stdout
    payload = json.loads(omc(*shown, "--output", "json").stdout)
    assert payload["environments"]["production"]["windows"][0]["required"] is True


def test_colour_only_on_a_terminal_that_wants_it(tmp_path: Path) -> None:
    arguments = ("check", "morning", "--env", "local")
    state = tmp_path / "cloud"
    state.mkdir()
    (state / "cloud.json").write_text(
        '{"endpoint": "http://127.0.0.1:9", "region": "ap-southeast-2", "account": "123456789012",'
        ' "access_key_id": "a", "secret_access_key": "b", "port_shift": 0}'
    )
    assert "\033[" in on_a_terminal(*arguments, OMC_LOCAL_STATE=str(state))
    assert "\033[" not in on_a_terminal(*arguments, OMC_LOCAL_STATE=str(state), NO_COLOR="1")
    assert "\033[" not in on_a_terminal(*arguments, OMC_LOCAL_STATE=str(state), TERM="dumb")


def test_a_damaged_cloud_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "cloud.json").write_text('{"endpoint": ')
    done = omc("check", "morning", "--env", "local", OMC_LOCAL_STATE=str(tmp_path))
    assert done.returncode == 3
    assert "can't be read" in done.stderr
    assert "omc local up" in done.stderr


def test_a_long_sentence_wraps_below_itself() -> None:
    row = Row(("fail", "backend", "one two three four five six seven"), (Field("", "- below"),))
    text = terminal.render(Document("", (Table(("", "", ""), (row,)),)), width=43)
    assert text.splitlines() == [
        "fail  backend  one two three four five six",
        "               seven",
        "               - below",
    ]


def test_what_does_not_fit_on_a_terminal_goes_through_the_pager(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paged: list[str] = []
    monkeypatch.setattr("click.echo_via_pager", paged.append)
    page("a\nb")
    assert (capsys.readouterr().out, paged) == ("a\nb\n", [])  # not a terminal
    for stream in (sys.stdout, sys.stdin):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_, **__: os.terminal_size((80, 24)))
    page("short")
    assert paged == []
    page("line\n" * 30)
    assert len(paged) == 1
