"""An image for another processor is refused before anything is done, by what the registry really holds of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest

from support.commands import CommandResult, clean_env, run
from support.small import SERVICE, SmallEnvironment, small_cloud

pytestmark = [pytest.mark.cloud, pytest.mark.timeout(600)]

UNTOLD = f"The registry doesn't say which processor the image of {SERVICE} was built for."


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallEnvironment]:
    with small_cloud(tmp_path_factory.mktemp("processors"), 1) as environments:
        yield environments[0]


def deploy(environment: SmallEnvironment, image: str, *arguments: str, **variables: str) -> CommandResult:
    words = ("deploy", "--env", environment.name, "--image", f"{SERVICE}={image}", "--output", "json", *arguments)
    return run(environment.command(*words), clean_env(**variables), 300)


def test_an_image_for_arm_is_not_deployed_to_tasks_on_amd64(environment: SmallEnvironment) -> None:
    folder = environment.file.parents[1]
    app = folder / "green"
    shutil.copytree(folder / "blue", app)
    dockerfile = (app / "Dockerfile").read_text()
    (app / "Dockerfile").write_text(dockerfile.replace("FROM ", "FROM --platform=linux/arm64 "))
    pushed = environment.stack.localcloud("push", str(app), "--repository", "small", "--tag", "green")
    assert pushed.returncode == 0, pushed.stderr
    before = environment.deployments()
    done = deploy(environment, pushed.stdout.strip(), "--yes", "--override", "hurry")
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"The image for {SERVICE} is built for arm64, but its tasks run on amd64." in done.stdout + done.stderr
    assert environment.deployments() == before


def test_an_image_for_amd64_is_known_to_be_one(environment: SmallEnvironment) -> None:
    plan = deploy(environment, environment.images["blue"], "--dry-run")
    assert plan.returncode == 0, plan.stdout + plan.stderr
    assert not any(note.startswith(UNTOLD) for note in plan.json["plan"]["notes"])


def test_who_may_not_download_is_told_so_and_may_deploy(environment: SmallEnvironment) -> None:
    iam = environment.stack.client("iam")
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
    plan = deploy(environment, environment.images["blue"], "--dry-run", **(environment.stack.reach() | ann))
    assert plan.returncode == 0, plan.stdout + plan.stderr
    note = next(note for note in plan.json["plan"]["notes"] if note.startswith(UNTOLD))
    assert "the credentials lack ecr:GetDownloadUrlForLayer" in note
