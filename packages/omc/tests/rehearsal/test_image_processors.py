"""An image for another processor is refused before anything is done, by what the registry really holds of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest

from support.commands import CommandResult, clean_env, run
from support.small import SERVICE, Lane, small_world

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(600)]

UNTOLD = f"The registry doesn't say which processor the image of {SERVICE} was built for."


@pytest.fixture(scope="module")
def lane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    with small_world(tmp_path_factory.mktemp("processors"), 1) as lanes:
        yield lanes[0]


def deploy(lane: Lane, image: str, *arguments: str, **variables: str) -> CommandResult:
    words = ("deploy", "--env", lane.name, "--image", f"{SERVICE}={image}", "--output", "json", *arguments)
    return run(lane.command(*words), clean_env(**variables), 300)


def test_an_image_for_arm_is_not_deployed_to_tasks_on_amd64(lane: Lane) -> None:
    folder = lane.file.parents[1]
    app = folder / "green"
    shutil.copytree(folder / "blue", app)
    dockerfile = (app / "Dockerfile").read_text()
    (app / "Dockerfile").write_text(dockerfile.replace("FROM ", "FROM --platform=linux/arm64 "))
    pushed = lane.world.localcloud("push", str(app), "--repository", "small", "--tag", "green")
    assert pushed.returncode == 0, pushed.stderr
    before = lane.deployments()
    done = deploy(lane, pushed.stdout.strip(), "--yes", "--override", "hurry")
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"The image for {SERVICE} is built for arm64, but its tasks run on amd64." in done.stdout + done.stderr
    assert lane.deployments() == before


def test_an_image_for_amd64_is_known_to_be_one(lane: Lane) -> None:
    plan = deploy(lane, lane.images["blue"], "--dry-run")
    assert plan.returncode == 0, plan.stdout + plan.stderr
    assert not any(note.startswith(UNTOLD) for note in plan.json["plan"]["notes"])


def test_who_may_not_download_is_told_so_and_may_deploy(lane: Lane) -> None:
    iam = lane.world.client("iam")
    iam.create_user(UserName="ann")
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {"Effect": "Deny", "Action": "ecr:GetDownloadUrlForLayer", "Resource": "*"},
        ],
    }
    iam.put_user_policy(UserName="ann", PolicyName="all-but-pull", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    ann = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    plan = deploy(lane, lane.images["blue"], "--dry-run", **(lane.world.reach() | ann))
    assert plan.returncode == 0, plan.stdout + plan.stderr
    note = next(note for note in plan.json["plan"]["notes"] if note.startswith(UNTOLD))
    assert "the credentials lack ecr:GetDownloadUrlForLayer" in note
