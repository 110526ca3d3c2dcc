"""The static checks, as `make check` runs them: one test each, so that the gate says which one failed."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _load_checks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check", ROOT / "scripts/check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["check"] = module
    spec.loader.exec_module(module)
    return module


checks = _load_checks()


@pytest.mark.timeout(1300)
@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.name)
def test_static_check(check: Any) -> None:
    code, printed = checks.run(check)
    if code and check.tool in ("npx", "uv"):  # these fetch the tool, and a registry may not answer once
        code, printed = checks.run(check)
    if code is None:
        pytest.skip(printed)  # the tool is not one that the lock installs: Node.js or Terraform
    assert code == 0, printed


def test_no_path_of_a_machine_and_no_download_address_is_tracked() -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")
    forbidden = re.compile(rb"(?<![\w.])/(work|farm)/|/root/\.|--(extra-)?index-url|^registry = ", re.MULTILINE)
    own = Path(__file__).resolve()
    found = [
        name.decode()
        for name in tracked
        if name and (ROOT / name.decode()).is_file() and (ROOT / name.decode()).resolve() != own
        if forbidden.search((ROOT / name.decode()).read_bytes())
    ]
    assert found == []
