"""``omc check morning`` as a process, against AWS's answers as they are written down."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support import prepared
from support.canned_aws import ACCOUNT, CannedAws, canned_aws
from support.commands import CommandResult

REPOSITORY = Path(__file__).parents[2]
AWS = Path(sys.executable).parent / "aws"


def omc(*arguments: str, endpoint: str = "", folder: Path = REPOSITORY, **environment: str) -> CommandResult:
    return prepared.omc(arguments, surroundings(endpoint) | environment, 60, folder)


def surroundings(endpoint: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "OMC_"))}
    credentials = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example", "AWS_ENDPOINT_URL": endpoint}
    return (
        kept
        | (credentials if endpoint else {})
        | {"OMC_ALLOW_LOOPBACK": "1", "AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent", "COLUMNS": "80"}
    )


def local_stack(folder: Path, aws: CannedAws) -> Path:
    """A stack file whose local cloud is the canned endpoint."""
    (folder / ".localcloud").mkdir()
    text = (REPOSITORY / "omc.toml").read_text()
    without_state = text.replace("[environments.local]", '[environments.local]\nterraform_state = ""', 1)
    (folder / "omc.toml").write_text(without_state)
    reach = {
        "endpoint": aws.endpoint,
        "region": "ap-southeast-2",
        "account": ACCOUNT,
        "access_key_id": "AKIAEXAMPLE",
        "secret_access_key": "example",
        "port_shift": aws.port_shift,
    }
    (folder / ".localcloud/cloud.json").write_text(json.dumps(reach))
    return folder


def morning(folder: Path, answers: Mapping[tuple[str, str], Any], *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code and the JSON report of one check against these answers."""
    with canned_aws(answers) as aws:
        done = omc(
            "check", "morning", "--env", "local", "--output", "json", *arguments, folder=local_stack(folder, aws)
        )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def findings(report: Mapping[str, Any], level: str) -> list[tuple[str, str]]:
    return [(found["check"], found["subject"]) for found in report["findings"] if found["level"] == level]


def unwrapped(text: str) -> str:
    return " ".join(text.split())


def the(report: Mapping[str, Any], check: str) -> dict[str, Any]:
    return next(found for found in report["findings"] if found["check"] == check and found["level"] != "ok")
