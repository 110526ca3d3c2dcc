"""What is wrong with a command of the AWS CLI, by the CLI's own table of commands.

The table is that of the installed AWS CLI 1, which is a Python package. What version 2 has beyond it stands below, from
its documentation (docs.aws.amazon.com/cli/latest, read on 2026-12-01). The SDK's models alone know neither.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from omc.errors import did_you_mean
from omc.runbook.lint.catalogue import RULES
from omc.runbook.lint.model import Command, Find, Word

VERSION_2_SERVICES = ("ddb", "login", "logout", "sso", "cli-dev")
VERSION_2_COMMANDS: Mapping[tuple[str, str], frozenset[str]] = {
    ("logs", "tail"): frozenset(
        ("since", "follow", "no-follow", "format", "filter-pattern", "log-stream-names", "log-stream-name-prefix")
    ),
    ("logs", "start-live-tail"): frozenset(
        ("log-group-identifiers", "log-stream-names", "log-stream-name-prefixes", "log-event-filter-pattern", "mode")
    ),
    **{
        ("configure", name): frozenset[str]()
        for name in ("sso", "sso-session", "list-profiles", "import", "export-credentials", "mfa-login")
    },
    ("ec2-instance-connect", "ssh"): frozenset(),
    ("ec2-instance-connect", "open-tunnel"): frozenset(),
    ("ecs", "monitor-express-gateway-service"): frozenset(),
    ("s3", "ls"): frozenset(("bucket-name-prefix", "bucket-region")),
    ("s3", "cp"): frozenset(("checksum-algorithm", "checksum-mode", "no-overwrite", "copy-props")),
    ("s3", "mv"): frozenset(("checksum-algorithm", "checksum-mode", "no-overwrite", "copy-props")),
    ("s3", "sync"): frozenset(("checksum-algorithm", "checksum-mode", "copy-props")),
}
"""Commands and options that only version 2 has; one without options is taken as it is."""
GLOBAL_OPTIONS = frozenset(
    (
        "debug",
        "endpoint-url",
        "no-verify-ssl",
        "no-paginate",
        "output",
        "query",
        "profile",
        "region",
        "version",
        "color",
        "no-sign-request",
        "ca-bundle",
        "cli-read-timeout",
        "cli-connect-timeout",
        "v2-debug",
        "cli-binary-format",
        "no-cli-pager",
        "cli-auto-prompt",
        "no-cli-auto-prompt",
        "cli-error-format",
        "cli-input-json",
        "cli-input-yaml",
        "generate-cli-skeleton",
        "page-size",
        "starting-token",
        "max-items",
        "help",
    )
)
_GLOBAL_WITHOUT_VALUE = frozenset(
    [
        "debug",
        "no-verify-ssl",
        "no-paginate",
        "no-sign-request",
        "no-cli-pager",
        "cli-auto-prompt",
        "no-cli-auto-prompt",
        "v2-debug",
        "version",
    ]
)
OUTPUTS = ("json", "text", "table", "yaml", "yaml-stream", "off")
GONE = {("ecr", "get-login"): "AWS CLI 2 hasn't got it: aws ecr get-login-password | docker login --password-stdin"}
_DASHES = re.compile("[\u2010-\u2015\u2212]")
_QUOTES = re.compile("[\u2018-\u201e]")
_STANDS_FOR_MORE = re.compile(r"\.\.\.|…|^\[|^\($")


def find_wrong(command: Command) -> Iterator[Find]:
    """What AWS's CLI, its API's model or JMESPath would refuse."""
    for word in command.words:
        yield from _typographic(word)
    words = command.words[1:]
    place, options_before = _first_positional(words)
    if place is None:
        return
    service_word = words[place]
    if not _is_name(service_word):
        return
    service = service_word.text
    if service in VERSION_2_SERVICES or service == "help":
        return
    commands = _commands(service)
    if commands is None:
        message = f'AWS CLI has no service "{service}".{did_you_mean(service, _services())}'
        yield _find("aws-unknown-service", service_word, message)
        return
    rest = words[place + 1 :]
    at, _ = _first_positional(rest)
    if at is None or not _is_name(rest[at]):
        return
    name_word = rest[at]
    name = name_word.text
    path = (service, name)
    if path in GONE:
        yield _find("aws-gone", name_word, f"aws {service} {name}: {GONE[path]}")
        return
    found: Any = commands.get(name)
    if found is None and path not in VERSION_2_COMMANDS and name != "help":
        yield _find(
            "aws-unknown-command",
            name_word,
            f'aws {service} has no command "{name}".{did_you_mean(name, list(commands))}',
        )
        return
    given = [*options_before, *rest[at + 1 :]]
    while found is not None and (below := getattr(found, "subcommand_table", None)):
        deeper, _ = _first_positional(given)
        if deeper is None or not _is_name(given[deeper]) or given[deeper].text not in below:
            break
        found = below[given[deeper].text]
        given = given[:deeper] + given[deeper + 1 :]
    yield from _options(command, path, found, given)
    yield from _query(command)


def _options(command: Command, path: tuple[str, str], found: Any, given: list[Word]) -> Iterator[Find]:
    table: dict[str, Any] = dict(found.arg_table) if found is not None else {}
    extra = VERSION_2_COMMANDS.get(path)
    if found is None and not extra:
        return
    known = {*table, *GLOBAL_OPTIONS, *(extra or ())}
    seen: set[str] = set()
    for at, word in enumerate(given):
        if not word.text.startswith("--") or not word.is_literal or word.text == "--":
            continue
        option, equals, value = word.text[2:].partition("=")
        if not re.fullmatch(r"[A-Za-z][\w-]*", option):
            continue
        full = option if option in known else _completed(option, known)
        if full is None:
            if at > 0 and _takes_anything(given[at - 1], table):
                continue
            yield _find(
                "aws-unknown-option",
                word,
                f"aws {' '.join(path)} has no option --{option}.{did_you_mean(option, sorted(known))}",
            )
            continue
        seen.add(full)
        argument = table.get(full)
        values = [Word(value, word.line, word.column)] if equals else _values(given[at + 1 :])
        yield from _value(full, argument, values, word)
    is_partial = (
        command.is_inline
        or command.is_broken
        or any(
            _STANDS_FOR_MORE.search(word.text)
            or (not word.is_literal and not word.text.startswith("--") and _could_be_options(word))
            for word in given
        )
    )
    if (
        is_partial
        or seen & {"cli-input-json", "cli-input-yaml", "generate-cli-skeleton"}
        or any(w.text == "help" for w in given)
    ):
        return
    missing = [
        each.cli_name.removeprefix("--")
        for name, each in table.items()
        if getattr(each, "required", False) and each.cli_name.startswith("--") and name not in seen
    ]
    if missing:
        wanted = ", ".join(f"--{name}" for name in missing)
        yield _find("aws-missing-option", command.words[0], f"aws {' '.join(path)} needs {wanted}.", " ".join(path))


def _value(option: str, argument: Any, values: list[Word], at: Word) -> Iterator[Find]:
    """What the option's value can't be."""
    takes_none = option in _GLOBAL_WITHOUT_VALUE or getattr(argument, "cli_type_name", "") == "boolean"
    if not values:
        wants = argument is not None and getattr(argument, "cli_type_name", "") in ("string", "integer", "long")
        if wants and not takes_none and getattr(argument, "_nargs", None) not in ("?", "*"):
            yield _find("aws-bad-value", at, f"--{option} needs a value.")
        return
    first = values[0]
    if not first.is_literal or _stands_in(first.text) or first.text.startswith(("file://", "fileb://")):
        return
    if option == "output" and argument is None:
        if first.text not in OUTPUTS:
            yield _find("aws-bad-value", first, f'--output is one of {", ".join(OUTPUTS)}, not "{first.text}".')
        return
    shape = getattr(argument, "argument_model", None)
    if shape is None:
        return
    kind = shape.type_name
    if kind in ("integer", "long") and not re.fullmatch(r"-?\d+", first.text):
        yield _find("aws-bad-value", first, f'--{option} is a whole number, not "{first.text}".')
    choices = getattr(shape, "enum", None) or []
    if kind == "list":
        choices = getattr(shape.member, "enum", None) or []
    for word in values if kind == "list" else values[:1]:
        if choices and word.is_literal and not _stands_in(word.text) and not word.text.startswith(("[", "{", "file:")):
            wrong = [each for each in word.text.split(",") if each and each not in choices]
            if wrong:
                close = did_you_mean(wrong[0], list(choices))
                yield _find("aws-bad-value", word, f'--{option} can\'t be "{wrong[0]}".{close}')


def _query(command: Command) -> Iterator[Find]:
    query = command.option("--query")
    if query is None:
        return
    if query.has_backticks:
        yield _find(
            "query-backticks",
            query,
            "In double quotes the shell runs what stands between backticks: put the query into single quotes.",
        )
        return
    if not query.is_literal or _stands_in(query.text) or command.is_broken:
        return
    import jmespath

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `ACTIVE` without quotes in the backticks is an old form that works
            jmespath.compile(query.text)
    except jmespath.exceptions.JMESPathError as error:
        reason = str(error).split("\n")[0].rstrip(":")
        yield _find("query-invalid", query, f"--query isn't JMESPath: {reason[:120]}")


def _typographic(word: Word) -> Iterator[Find]:
    if _DASHES.match(word.text):
        yield _find("typographic", word, "A typographic dash stands where an option needs hyphens.")
    elif _QUOTES.match(word.text):
        yield _find("typographic", word, "Typographic quotes are letters to the shell.")


def _first_positional(words: list[Word] | tuple[Word, ...]) -> tuple[int | None, list[Word]]:
    """Where the first word stands that is neither a global option nor its value, and those before it."""
    skip = False
    for at, word in enumerate(words):
        if skip:
            skip = False
        elif word.text.startswith("-"):
            skip = "=" not in word.text and word.text[2:] not in _GLOBAL_WITHOUT_VALUE
        else:
            return at, list(words[:at])
    return None, list(words)


def _values(words: list[Word]) -> list[Word]:
    found: list[Word] = []
    for word in words:
        if word.text.startswith("--"):
            break
        found.append(word)
    return found


def _takes_anything(before: Word, table: Mapping[str, Any]) -> bool:
    """Whether the word before is an option whose value may begin with hyphens, such as ``--command``."""
    return before.text.removeprefix("--") in ("command", "query", "user-data") and before.text.removeprefix("--") in {
        *table,
        "query",
    }


def _completed(option: str, known: set[str]) -> str | None:
    """The one option that begins so, as version 1 takes it."""
    fitting = [each for each in known if each.startswith(option)]
    return fitting[0] if len(fitting) == 1 else None


def _could_be_options(word: Word) -> bool:
    """``$ARGS`` and ``"${OPTIONS[@]}"`` may hold options; ``"$CLUSTER"`` behind one is its value."""
    return bool(
        re.fullmatch(r"\$\{?\w*(?:ARGS|OPTS|OPTIONS|FLAGS|PARAMS|@|\*)\w*(?:\[[@*]\])?\}?", word.text, re.IGNORECASE)
    )


def _stands_in(text: str) -> bool:
    """Whether people are to put something in its place."""
    return bool(re.search(r"<[^>]+>|\{\{|\$|X{3,}|\.\.\.|…|^\[|%\w+%|\{[A-Za-z][\w.-]*\}", text)) or (
        text.isupper() and ("_" in text or len(text) > 5)
    )


def _is_name(word: Word) -> bool:
    return word.is_literal and bool(re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", word.text))


def _find(rule: str, word: Word, message: str, text: str | None = None) -> Find:
    return Find(RULES[rule], word.line, word.column, message, word.text if text is None else text)


@cache
def _driver() -> Any:
    from awscli.clidriver import create_clidriver

    return create_clidriver()


@cache
def _table() -> Mapping[str, Any]:
    table: Mapping[str, Any] = _driver()._get_command_table()
    return table


@cache
def _services() -> list[str]:
    return sorted((*_table(), *VERSION_2_SERVICES))


@cache
def _commands(service: str) -> Mapping[str, Any] | None:
    """The commands of a service by name; None where there is no such service."""
    found = _table().get(service)
    if found is None:
        return None
    commands: Mapping[str, Any] | None = getattr(found, "subcommand_table", None)
    return commands if commands is not None else found._get_command_table()
