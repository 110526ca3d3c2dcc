"""Terraform, bootstrap unchanged, against the cloud: apply, a plan without changes, destroy, and nothing left.

One story, as the provider's own waits make it minutes long (each bucket's lifecycle rules 55 s). Any operation that the
cloud lacks fails it through the log. The stack itself is applied, destroyed and applied again in the rehearsals
(packages/omc/tests/rehearsal/test_workflow_from_nothing.py), as it is applied by `omc local up`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from localcloud.core.cloud import Cloud
from support.leftovers import left
from support.terraform_root import root_at

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parents[4]
BOOTSTRAP = [
    "-var=environment=staging",
    "-var=github_repository=example/ohmycoins",
    "-var=github_owner_id=1",
    "-var=github_repository_id=2",
]


def test_apply_plan_destroy(cloud: Cloud, aws: Any, tmp_path: Path) -> None:
    """With providers of its own, as everybody's Terraform has."""
    shutil.copytree(
        ROOT / "infrastructure/terraform", tmp_path / "infrastructure", ignore=shutil.ignore_patterns(".terraform*")
    )
    untouched = left(aws)
    bootstrap = root_at(tmp_path / "infrastructure/bootstrap", cloud, {})
    bootstrap.init()
    bootstrap.apply(*BOOTSTRAP)
    assert set(left(aws)) - set(untouched) == {"buckets", "images", "keys' names", "roles"}
    bootstrap.assert_no_difference(*BOOTSTRAP)
    bootstrap.destroy(*BOOTSTRAP)
    assert left(aws) == untouched
