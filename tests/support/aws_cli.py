"""The aws CLI itself, asked in this process what it makes of a command line; nothing is sent."""

from __future__ import annotations

import contextlib
import io
from functools import cache
from typing import Any

from botocore.validate import ParamValidator


@cache
def driver() -> Any:
    from awscli.clidriver import create_clidriver

    made = create_clidriver()
    made.session.set_credentials("a", "b")
    made.session.set_config_variable("region", "eu-west-1")
    made.session.register("provide-client-params.*.*", _seen)
    return made


_calls: list[tuple[str, dict[str, Any], str]] = []


def _seen(params: dict[str, Any], model: Any, **_: Any) -> None:
    report = ParamValidator().validate(params, model.input_shape) if model.input_shape else None
    _calls.append((model.name, dict(params), report.generate_report() if report and report.has_errors() else ""))
    raise SystemExit(0)


def understood(words: list[str]) -> tuple[str, dict[str, Any]]:
    """The operation that the words come to, with its parameters. Fails with the CLI's own words where it refuses."""
    assert words[0] == "aws"
    _calls.clear()
    response = io.StringIO()
    with contextlib.redirect_stderr(response), contextlib.redirect_stdout(response), contextlib.suppress(SystemExit):
        driver().main(words[1:])
    assert _calls, f"the aws CLI refuses {words}: {response.getvalue()[-400:]}"
    name, parameters, problem = _calls[0]
    assert not problem, f"AWS would refuse {words}: {problem}"
    return name, parameters
