"""``make new-check``: what it leaves is whole, and says so where something is still to be written."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from support.commands import CommandResult, run
from support.release_facts import ROOT

NEEDED = (
    *("pyproject.toml", "omc.toml", "scripts", "docs/checks.md", "docs/runbook"),
    *("packages/omc/src", "packages/omc/tests/support", "packages/omc/tests/unit/test_check_specs.py", "tests/support"),
)
IGNORED = shutil.ignore_patterns("__pycache__", "*.egg-info")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The part of the repository that a check has to do with, in a folder of its own."""
    folder = tmp_path_factory.mktemp("repository")
    for name in NEEDED:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=IGNORED)
        elif source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    return folder


def run_in(copy: Path, *arguments: str) -> CommandResult:
    """This Python in the copy, with the copy's omc."""
    env = {**os.environ, "PYTHONPATH": str(copy / "packages/omc/src")}
    return run([sys.executable, *arguments], env, cwd=copy)


def written(copy: Path) -> dict[str, str]:
    """Every text of the copy that the script could change, by its path."""
    folders = ("docs", "packages/omc/src/omc/checks", "packages/omc/tests")
    files = [path for folder in folders for path in (copy / folder).rglob("*") if path.suffix in (".py", ".md")]
    return {str(path.relative_to(copy)): path.read_text() for path in files}


@pytest.mark.parametrize(
    "name",
    [
        *("", "Queue", "queue_depth", "queue depth", "../x", "-queue", "queue-", "9-lives", "import", "é", "a" * 41),
        *("services-running", "alarms", "spec", "causes", "database", "expected-users"),
    ],
)
def test_a_name_that_is_none_or_taken_is_refused_and_nothing_is_written(copy: Path, name: str) -> None:
    before = written(copy)
    done = run_in(copy, "scripts/new_check.py", *([name] if name else []))
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert written(copy) == before


def test_what_it_writes_passes_the_static_checks_and_its_test_fails_until_it_judges(copy: Path) -> None:
    before = written(copy)
    done = run_in(copy, "scripts/new_check.py", "queue-depth")
    assert done.returncode == 0, done.stderr
    module, test = "packages/omc/src/omc/checks/queue_depth.py", "packages/omc/tests/unit/test_check_queue_depth.py"
    changed = {path for path, text in written(copy).items() if before.get(path) != text}
    assert changed == {module, test, "packages/omc/src/omc/checks/morning.py", "docs/checks.md"}
    assert done.stdout.splitlines()[:-1] == [module, test, "packages/omc/src/omc/checks/morning.py", "docs/checks.md"]

    for name in ("age-of-backups", "zone-spread", "a", "a-name-that-is-as-long-as-one-can-be-here"[:40]):
        assert run_in(copy, "scripts/new_check.py", name).returncode == 0
    changed = {path for path, text in written(copy).items() if before.get(path) != text and path.endswith(".py")}
    for arguments in (("check", "--no-cache"), ("format", "--no-cache", "--check")):
        static = run_in(copy, "-m", "ruff", *arguments, *changed)
        assert static.returncode == 0, static.stdout
    assert run_in(copy, "scripts/checks_page.py", "--check").returncode == 0

    pytest_here = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0")
    listed = run_in(copy, "-m", "omc", "check", "explain", "queue-depth")
    assert listed.returncode == 0, listed.stderr
    assert "omc check morning" in listed.stdout
    failing = run_in(copy, *pytest_here, test)
    assert failing.returncode == 1, failing.stdout
    assert "write the judgement, then a test for each thing that it says" in failing.stdout

    source = copy / module
    source.write_text(source.read_text().replace("level=Level.UNKNOWN", "level=Level.OK"))
    assert run_in(copy, *pytest_here, test).returncode == 0
