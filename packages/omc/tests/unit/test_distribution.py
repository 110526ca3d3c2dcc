"""What omc is called on the package index: no line that it prints, and no document, installs a stranger's package."""

from __future__ import annotations

import ast
import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from omc import distribution
from omc.distribution import EXTRAS, NAME, install_line, missing

ROOT = Path(__file__).parents[4]
DECLARED = tomllib.loads((ROOT / "packages/omc/pyproject.toml").read_text())["project"]
STRANGERS = re.compile(
    r"\bomc\[[a-z,]+\]|(?:pip|uv|pipx|uvx|tool) (?:\S+ )*?(?:install|run|add) (?:-\S+ )*['\"]?"
    r"(omc|localcloud)(?![-\w./])"
)
"""``omc[…]`` and ``pip install omc``: somebody else's."""
TEXTS = [
    *(
        path
        for suffix in ("*.py", "*.md", "*.toml", "*.tf", "*.yml")
        for path in ROOT.glob(f"packages/*/src/**/{suffix}")
    ),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "infrastructure").rglob("*.md"),
    *(ROOT / ".github").rglob("*.yml"),
    *ROOT.glob("*.md"),
    *ROOT.glob("packages/*/*.md"),
    *ROOT.glob("packages/*/Dockerfile"),
    ROOT / "Makefile",
]


def test_no_text_installs_a_strangers_package() -> None:
    assert len(TEXTS) > 500
    found = {
        str(path.relative_to(ROOT)): STRANGERS.findall(path.read_text())
        for path in TEXTS
        if path.name != "CHANGELOG.md"
    }
    assert {path: hits for path, hits in found.items() if hits} == {}
    assert STRANGERS.search("pip install 'omc[serve]'")
    assert STRANGERS.search("uv tool install omc")
    assert not STRANGERS.search("pip install 'omc-ecs[serve]'")


def test_install_lines_are_written_in_one_place() -> None:
    for path in (ROOT / "packages/omc/src/omc").rglob("*.py"):
        if path.name == "distribution.py":
            continue
        texts = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
        hits = [
            text for text in texts if isinstance(text, str) and "pip install" in text and "botocore[crt]" not in text
        ]
        assert hits == [], path


def test_it_is_the_name_that_the_package_has() -> None:
    assert DECLARED["name"] == NAME
    assert {*EXTRAS.values()} <= {*DECLARED["optional-dependencies"]}


@pytest.mark.parametrize(
    ("url", "line"),
    [
        (None, "pip install 'omc-ecs[local,apps]==0.1.0'"),
        (
            "file:///a%20folder/omc_ecs-0.1.0-py3-none-any.whl",
            "pip install --find-links '/a folder' 'omc-ecs[local,apps]==0.1.0'",
        ),
        ("file:///a%20folder/omc", "pip install '/a folder/omc[local,apps]'"),
    ],
)
def test_what_is_missing_is_installed_from_where_omc_came(
    url: str | None, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Installed:
        def read_text(self, name: str) -> str | None:
            assert name == "direct_url.json"
            return json.dumps({"url": url, "dir_info": {}}) if url else None

    monkeypatch.setattr("importlib.metadata.distribution", lambda _: Installed())
    assert install_line("local", "apps") == line
    assert len(shlex.split(line)) in (3, 5)


def test_a_missing_package_is_named_with_its_extra_and_a_bug_isnt() -> None:
    assert "[serve]" in missing(ModuleNotFoundError("x", name="fastapi.routing"))
    assert missing(ModuleNotFoundError("x", name="omc.nothing")) == ""
    assert distribution.NAME != "omc"
