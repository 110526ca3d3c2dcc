"""GitHub's token goes into no message, whatever it holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from omc import github_api
from omc.cli.infra import _given
from omc.errors import Unknown, WrongUse
from omc.infrastructure.variables import declared

NOWHERE = "http://127.0.0.1:9/x"


@pytest.mark.parametrize(
    "token",
    [
        "c4n4ry\nX: y",
        "c4n4ry\r\nHost: evil",
        "c4n4ry key",
        "c4n4ry\0",
        "c4n4ry\x7f",
        "c4n4rÿ",
        "c4n4ry\u2028z",
        "c4n\tr",
    ],
)
def test_a_token_that_can_not_be_one_is_reported_without_it(token: str) -> None:
    with pytest.raises(Unknown) as caught:
        github_api.get(NOWHERE, token, "this job", "")
    assert "no token has" in caught.value.message
    assert "c4n" not in caught.value.message


@pytest.mark.parametrize("token", ["ghs_c4n4ry\n", " ghs_c4n4ry", "ghs_c4n4ry\r\n"])
def test_a_line_break_behind_a_token_is_no_part_of_it(token: str) -> None:
    with pytest.raises(Unknown) as caught:
        github_api.get(NOWHERE, token, "this job", "")
    assert "Connection refused" in caught.value.message


@pytest.mark.parametrize("value", ["[" * 100_000, '{"a":' * 100_000, "[", "{x", '{"a":1'])
def test_a_variable_that_begins_as_json_and_is_none_is_wrong_use(value: str) -> None:
    with pytest.raises(WrongUse, match="begins like JSON"):
        _given((f"images={value}",))


@pytest.mark.parametrize(
    "name",
    ["a", "a-b", "a--b-", "_a", "a1", "A_b-2", "größe", "变量", "a.b", "-a", "1a", "", "a b", "a$", "a/b", '"a"'],
)
def test_a_variables_name_is_what_terraforms_language_takes(name: str, tmp_path: Path) -> None:
    """As HCL has it: an identifier of Unicode's, and hyphens behind its first character."""
    if re.fullmatch(r"[^\W\d][\w-]*", name):
        assert _given((f"{name}=x",)) == {name: "x"}
        (tmp_path / "variables.tf").write_text(f'variable "{name}" {{\n  type = string\n}}\n')
        assert declared(tmp_path) == {name: True}
    else:
        with pytest.raises(WrongUse, match="NAME=VALUE"):
            _given((f"{name}=x",))
