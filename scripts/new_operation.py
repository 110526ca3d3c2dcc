"""Begins a new AWS operation of localcloud: `make new-operation SERVICE=ecs NAME=ListAttributes`, with MODULE=api_tags
where a service has several modules of operations.

It writes the handler into the service's api module, with what botocore's model says of parameters and answer, and its
test, which fails until the handler is written. CONTRIBUTING.md says what comes next.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.exceptions import UnknownServiceError

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "packages/localcloud"
SERVICES = PACKAGE / "src/localcloud/services"
TESTS = PACKAGE / "tests/cloud"
NEEDED = ("Answer", "AwsError", "Call", "operation")
SAMPLES: dict[str, str] = {"string": '"x"', "integer": "1", "long": "1", "boolean": "True", "list": "[]", "map": "{}"}
MAX_LINE = 110


class Refusal(Exception):
    """One sentence: why nothing was written, and what to do."""


def main(arguments: list[str]) -> None:
    if len(arguments) not in (2, 3):
        sys.exit("usage: make new-operation SERVICE=ecs NAME=ListAttributes [MODULE=api_tags]")
    try:
        service, name, *module = arguments
        model = operation_model(service, name)
        target = module_of(service, module[0] if module else "")
        refuse_existing(service, name)
    except Refusal as refusal:
        sys.exit(str(refusal))
    test = TESTS / f"test_{service.replace('-', '_')}_{xform_name(name)}.py"
    if test.exists():
        sys.exit(f"{test.relative_to(ROOT)} exists already.")
    target.write_text(with_imports(target.read_text().rstrip() + "\n\n\n" + handler(service, name, model)))
    test.write_text(story(service, name, model))
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", str(target), str(test)], check=False)
    print(
        f"The handler is the last function of {target.relative_to(ROOT)}, its test is {test.relative_to(ROOT)}.\n"
        "Next: write the handler, then the test's expectation. What AWS refuses beyond the model is a rule\n"
        "in rules.py; an operation that touches named resources has its ARNs in resources.py, for policies.\n"
        f"Try it: pytest {test.relative_to(ROOT)} -q"
    )


def operation_model(service: str, name: str) -> Any:
    session = botocore.session.get_session()
    try:
        model = session.get_service_model(service)
    except UnknownServiceError as problem:
        near = nearest(service, session.get_available_services())
        raise Refusal(f"botocore knows no service {service!r}.{near}") from problem
    if name not in model.operation_names:
        raise Refusal(f"botocore knows no operation {name!r} of {service}.{nearest(name, model.operation_names)}")
    return model.operation_model(name)


def nearest(word: str, known: list[str]) -> str:
    by_lower = {each.lower(): each for each in known}
    close = [by_lower[each] for each in get_close_matches(word.lower(), list(by_lower), n=3)]
    return f" Near it: {', '.join(close)}." if close else ""


def module_of(service: str, wanted: str) -> Path:
    """The file that gets the handler: the service's module, or of its package ``api.py`` or the one that is named."""
    packages: dict[str, str] = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]["entry-points"][
        "localcloud.services"
    ]
    if service not in packages:
        raise Refusal(
            f"No entry point of localcloud bears the name {service}: moto alone answers it. Correct moto's answer in "
            f"services/moto_fixes, or begin a package with api.py and name it in packages/localcloud/pyproject.toml."
        )
    place = SERVICES / packages[service].rpartition(".")[2]
    if not place.is_dir():
        return place.with_suffix(".py")
    there = sorted(each.stem for each in place.glob("api*.py"))
    chosen = wanted or ("api" if "api" in there else "")
    if chosen not in there:
        raise Refusal(f"Say which module of {service} gets it, MODULE= one of {', '.join(there)}.")
    return place / f"{chosen}.py"


def refuse_existing(service: str, name: str) -> None:
    registered = re.compile(rf'@(operation|patch_response)\("{service}", "{name}"')
    for path in sorted(SERVICES.rglob("*.py")):
        if registered.search(path.read_text()):
            raise Refusal(f"{service} {name} is there already, in {path.relative_to(ROOT)}.")


def handler(service: str, name: str, model: Any) -> str:
    output = model.output_shape
    lines = [
        f'@operation("{service}", "{name}")',
        f"def {xform_name(name)}(cloud: Cloud, call: Call) -> Answer:",
        '    """TODO: what a reader can\'t see.',
        "",
        *members("Parameters", model.input_shape),
        *members("Answer", output),
        *wrapped("Errors", [str(shape.name) for shape in model.error_shapes] or ["none of its own"]),
        '    """',
        '    raise AwsError("UnsupportedOperationException", '
        f'"{service} {name} isn\'t written yet. Nothing was changed.")',
    ]
    return "\n".join(lines) + "\n"


def members(title: str, shape: Any) -> list[str]:
    if shape is None:
        return wrapped(title, ["none"])
    required = set(shape.required_members)
    return wrapped(
        title,
        [
            f"{name} ({member.type_name}{', required' if name in required else ''})"
            for name, member in shape.members.items()
        ]
        or ["none"],
    )


def wrapped(title: str, words: list[str]) -> list[str]:
    lines, line = [], f"    {title}:"
    for position, word in enumerate(words):
        part = f" {word}{',' if position < len(words) - 1 else '.'}"
        if len(line + part) > MAX_LINE:
            lines.append(line)
            line = "       "
        line += part
    return [*lines, line]


def with_imports(text: str) -> str:
    """The module's text with what the handler needs imported from the registry."""
    found = re.search(r"from localcloud\.core\.registry import (\([^)]*\)|[^\n]+)", text)
    if found is None:
        raise SystemExit("The module imports nothing of localcloud.core.registry: it is no module of operations.")
    names = {each.strip() for each in found[1].strip("()").split(",") if each.strip()} | set(NEEDED)
    line = f"from localcloud.core.registry import ({', '.join(sorted(names, key=sort_key))})"
    return text[: found.start()] + line + text[found.end() :]


def sort_key(name: str) -> tuple[int, str]:
    """As ruff sorts: constants, classes, functions."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def story(service: str, name: str, model: Any) -> str:
    shape = model.input_shape
    required = {each: shape.members[each].type_name for each in shape.required_members} if shape else {}
    parameters = ", ".join(f"{key}={SAMPLES.get(kind, '{}')}" for key, kind in required.items())
    keys = sorted(model.output_shape.members) if model.output_shape else []
    return f'''"""{service} {name}: TODO, what is true of it."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.cloud


def test_{xform_name(name)}_answers(shared_aws: Any) -> None:
    answer = shared_aws("{service}").{xform_name(name)}({parameters})
    assert set(answer) - {{"ResponseMetadata"}} <= {set(keys) or "set()"}
    pytest.fail("say here what the answer must be")
'''


if __name__ == "__main__":
    main([each for each in sys.argv[1:] if each])
