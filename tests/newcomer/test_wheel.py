"""Wheels away from the repository: both are built and installed into an empty environment in a folder with a space in
its name, and every command of omc is run there as an ordinary user, with an omc.toml and without. It works, or says in
one line what is missing."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.commands import ROOT, CommandResult, clean_env, run

pytestmark = pytest.mark.timeout(900)
LARGEST = 4 * 2**20
"""Bytes of a wheel; omc's is of about two, of which the sample stack is a tenth."""
EVERY_COMMAND = Path(__file__).parent / "every_command.py"


@dataclass(frozen=True, slots=True)
class Away:
    """An environment that has omc's wheel and what it depends on, and nothing else."""

    folder: Path
    python: Path
    user: tuple[str, ...] = ()
    """The command that makes who runs the tests an ordinary user; empty where they are one, or can't be."""

    def run(self, *command: str | Path, folder: Path, timeout: float = 120, **env: str) -> CommandResult:
        return run([*self.user, *command], self.env | env, timeout, cwd=folder)

    @property
    def env(self) -> dict[str, str]:
        return {
            "PATH": f"{self.python.parent}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def every_command(self, folder: Path, **env: str) -> tuple[list[Mapping[str, Any]], list[str]]:
        """How each command ended in this folder, and what was left there."""
        done = self.run(self.python, self.folder / EVERY_COMMAND.name, folder=folder, timeout=600, **env)
        assert done.returncode == 0, done.stderr
        *ended, last = map(json.loads, done.stdout.splitlines())
        return ended, last["left"]


def interpreters() -> list[str]:
    """This Python, and the newest of the machine where that is another."""
    places = [*os.get_exec_path(), *map(str, (Path.home() / ".pyenv/versions").glob("3.*/bin"))]
    for minor in range(20, sys.version_info.minor, -1):
        for name in (Path(place) / f"python3.{minor}" for place in places):
            if name.exists() and run([name, "-c", "import ensurepip"], clean_env()).returncode == 0:
                return [sys.executable, str(name)]
    return [sys.executable]


def ordinary_user(python: Path) -> tuple[str, ...]:
    """How root becomes nobody, who can read this Python; nothing where that can't be."""
    tool = shutil.which("setpriv")
    if os.geteuid() != 0 or tool is None:
        return ()
    became = (tool, "--reuid=65534", "--regid=65534", "--clear-groups")
    return became if run([*became, python, "-c", ""], {"PATH": "/usr/bin:/bin"}).returncode == 0 else ()


@pytest.fixture(scope="module", params=interpreters(), ids=lambda path: Path(path).name)
def away(request: pytest.FixtureRequest) -> Iterator[Away]:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert uv, "uv is in the development group"
    home = Path(tempfile.mkdtemp(prefix="omc away "))
    home.chmod(0o755)
    folder, wheels = home / "a folder", home / "a folder" / "wheels"
    for package in ("omc", "localcloud"):
        built = run([uv, "build", "--quiet", "--wheel", ROOT / "packages" / package, "--out-dir", wheels], timeout=300)
        assert built.returncode == 0, built.stderr
    python = folder / "v e" / "bin" / "python"
    # An ordinary user can't read a Python in root's folder: then the machine's own, of the same version.
    own = Path(f"/usr/bin/python3.{sys.version_info.minor}")
    chosen = (
        own if request.param == sys.executable and own.exists() and not ordinary_user(request.param) else request.param
    )
    made = run([uv, "venv", "--quiet", "--python", chosen, folder / "v e"], clean_env())
    assert made.returncode == 0, made.stderr
    needed: list[str | Path] = [
        uv,
        "pip",
        "install",
        "--quiet",
        "--python",
        python,
        "--constraints",
        ROOT / "requirements/dev.txt",
    ]
    installed = run([*needed, next(wheels.glob("omc_ecs-*.whl"))], clean_env(), 300)
    assert installed.returncode == 0, installed.stderr
    shutil.copyfile(EVERY_COMMAND, folder / EVERY_COMMAND.name)
    user = ordinary_user(python)
    if user:
        shutil.chown(folder, 65534, 65534)
    yield Away(folder, python, user)
    shutil.rmtree(home)


def faults(ended: Mapping[str, Any]) -> str:
    """What is wrong with how a command ended; empty where nothing is."""
    said = [line for line in ended["stderr"].splitlines() if line.strip()]
    if ended["code"] is None:
        return "it didn't end"
    if "Traceback" in ended["stderr"] or "is a bug in omc" in ended["stderr"]:
        return "it broke"
    if ended["code"] not in (0, 1, 2, 3):
        return "another exit code than those of what was never begun"
    own = [line for line in said if line.startswith("omc: ")]
    if ended["code"] and not ended["stdout"].strip() and (len(own) != 1 or said[-1] != own[0] or len(said) > 2):
        return "it isn't one sentence, after a note at most"
    return ""


def wrong(results: list[Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    return {" ".join(one["words"]): (why, one["stderr"]) for one in results if (why := faults(one))}


def test_the_wheels_are_small_and_hold_what_local_up_needs(away: Away) -> None:
    wheels = sorted((away.folder / "wheels").glob("*.whl"))
    assert [wheel.name.partition("-")[0] for wheel in wheels] == ["ecs_localcloud", "omc_ecs"]
    assert max(wheel.stat().st_size for wheel in wheels) < LARGEST
    package = next((away.folder / "v e").glob("lib/python*/site-packages/omc"))
    for part in ("omc.toml", "apps/backend/Dockerfile", "infrastructure/terraform/environments/staging/main.tf"):
        assert (package / "bundled" / part).is_file()
    assert not [
        path for path in (package / "bundled").rglob("*") if path.name in {".terraform", "tests", "__pycache__"}
    ]


def test_root_becomes_an_ordinary_user_where_it_can(away: Away) -> None:
    if os.geteuid() == 0 and not away.user:
        pytest.skip(f"an ordinary user can't run {away.python.resolve()}: the tests run as root")
    assert away.run("/usr/bin/id", "-u", folder=away.folder).stdout.strip() != "0"


def test_without_omc_toml_every_command_works_or_says_what_is_missing(away: Away) -> None:
    folder = away.folder / "nothing here"
    folder.mkdir()
    if away.user:
        shutil.chown(folder, 65534, 65534)
    results, left = away.every_command(folder)
    assert len(results) > 120
    assert wrong(results) == {}
    assert left == ["new"], "only `omc local sample` wrote something"
    named = [one for one in results if "There is no omc.toml" in one["stderr"]]
    assert len(named) > 90
    assert all("omc local sample" in one["stderr"] for one in named)


def test_with_the_sample_every_command_works_or_says_what_is_missing(away: Away) -> None:
    made = away.run(away.python, "-m", "omc", "local", "sample", "the stack", folder=away.folder)
    assert made.returncode == 0, made.stderr
    results, left = away.every_command(away.folder / "the stack", OMC_ENV="staging")
    assert wrong(results) == {}, wrong(results)
    assert {"apps", "infrastructure", "omc.toml"} <= set(left)
    by_words = {" ".join(one["words"][:2]): one["stderr"] for one in results}
    assert "[local,apps]" in by_words["local up"]
    assert "[embedded]" in by_words["worker"]
    assert "[doors]" in next(one["stderr"] for one in results if one["words"][0] == "db")
    assert str(away.folder / "wheels") in by_words["local up"], "from where omc came, not from the index"
