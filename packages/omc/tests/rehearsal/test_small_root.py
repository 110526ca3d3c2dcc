"""Real Terraform in a root of a few resources: `omc runs cancel` in the middle of an apply, and the death of its runner
on top of that; an apply that is killed, with Terraform or without it; addresses that are only moved, imported or
forgotten; a plan of a part; and secrets on all its ways."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import psutil
import pytest

from omc.config import load
from omc.store.database import open_store
from omc.store.location import locate_store
from omc.terraform import find_terraform
from support.canary import CANARY, FORMS, dump, listing_processes
from support.commands import CommandResult, clean_env, run
from support.provider import running_provider
from support.small import SmallEnvironment, add_fault, faults_of, small_cloud
from support.waiting import eventually

if TYPE_CHECKING:
    import psycopg

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1200)]

LONG = """
resource "terraform_data" "first" {{
  input = var.note
}}

resource "terraform_data" "long" {{
  triggers_replace = [terraform_data.first.output]
  provisioner "local-exec" {{
    command = "touch {folder}/begun; while [ ! -e {folder}/go ]; do sleep 0.05; done"
  }}
}}

resource "terraform_data" "last" {{
  input = terraform_data.long.id
}}
"""
"""One after the other; the second says nothing for as long as the test likes."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallEnvironment]:
    folder = tmp_path_factory.mktemp("small")
    with small_cloud(folder, 1) as environments:
        write(environments[0], LONG.format(folder=folder))
        with running_provider(environments[0].stack.reach()) as provider:
            yield replace(environments[0], provider=provider)


def root_of(environment: SmallEnvironment) -> Path:
    return environment.file.parent / "infrastructure/terraform/environments/staging"


def write(environment: SmallEnvironment, resources: str) -> None:
    """Have the root be these resources."""
    main = root_of(environment) / "main.tf"
    main.write_text(main.read_text().partition("# ---")[0].partition("resource ")[0] + "# ---\n" + resources)


def apply(environment: SmallEnvironment, note: str) -> list[str]:
    return ["infra", "apply", "--env", environment.name, "--yes", "--var", f"note={note}", "--output", "json"]


def begin(environment: SmallEnvironment, folder: Path, note: str) -> tuple[subprocess.Popen[str], str]:
    """An apply that is in the middle of its second resource, and its run."""
    for name in ("begun", "go"):
        (folder / name).unlink(missing_ok=True)
    process = subprocess.Popen(
        environment.command(*apply(environment, note)),
        env=clean_env(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

    def started() -> bool:
        assert process.poll() is None, process.communicate()
        return (folder / "begun").exists()

    eventually("Terraform is in the middle", started, 400, every=0.02)
    runs = environment.omc("runs", "list", "--env", environment.name, "--output", "json").json["runs"]
    return process, str(runs[0]["run"])


def bucket_of(environment: SmallEnvironment) -> str:
    account = json.loads((environment.stack.state / "cloud.json").read_text())["account"]
    return f"{environment.name}-staging-tfstate-{account}"


def unlocked(environment: SmallEnvironment) -> bool:
    return "Contents" not in environment.stack.client("s3").list_objects_v2(
        Bucket=bucket_of(environment), Prefix="staging/terraform.tfstate.tfl"
    )


def managed(environment: SmallEnvironment) -> dict[str, str]:
    """What the state holds now: ids by address."""
    body = (
        environment.stack.client("s3")
        .get_object(Bucket=bucket_of(environment), Key="staging/terraform.tfstate")["Body"]
        .read()
    )
    held = [one for one in json.loads(body)["resources"] if one["mode"] == "managed"]
    return {f"{one['type']}.{one['name']}": one["instances"][0]["attributes"]["id"] for one in held}


def test_an_apply_is_cancelled_and_what_is_left_applied_later(environment: SmallEnvironment) -> None:
    folder = environment.file.parents[1]
    process, run = begin(environment, folder, "one")
    cancelled = environment.omc("runs", "cancel", run, "--env", environment.name)
    out, err = process.communicate(timeout=300)
    assert (cancelled.returncode, process.returncode) == (0, 7), cancelled.stderr + err
    payload = json.loads(out)["run"]
    assert payload["verdict"] == "cancelled"
    assert (
        "1 of 3 resources were changed, and the state knows them. See what is left: omc infra plan"
        in payload["sentence"]
    )
    assert "Not finished: terraform_data.long" in payload["sentence"]
    assert "Nothing was changed" not in payload["sentence"]
    assert unlocked(environment)
    (folder / "go").touch()
    rest = environment.omc(*apply(environment, "one"))
    assert rest.returncode == 0, rest.stdout + rest.stderr
    assert "2 added" in rest.json["run"]["sentence"]


def test_a_runner_that_is_killed_after_a_cancel_leaves_a_run_that_ends_cancelled(environment: SmallEnvironment) -> None:
    """Terraform, told to stop, is long about writing its state: its runner can't have ended before it is killed."""
    folder = environment.file.parents[1]
    process, run = begin(environment, folder, "two")
    add_fault(
        environment.stack,
        service="s3",
        operation="PutObject",
        kind="slow",
        seconds=20.0,
        count=1,
        containing=environment.name,
    )
    assert environment.omc("runs", "cancel", run, "--env", environment.name, "--no-wait").returncode == 0
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    resumed = environment.omc("runs", "resume", run, "--env", environment.name, "--output", "json")
    assert resumed.returncode == 7, resumed.stdout + resumed.stderr
    assert "The apply was cut off: of 3 resources 2 are still to be changed." in resumed.json["run"]["sentence"]
    assert unlocked(environment)
    assert not (folder / "go").exists()
    assert not faults_of(environment.stack, environment.name)


RETAINED = """
resource "aws_cloudwatch_log_group" "kept" {{
  count             = 2
  name              = "/small1/kept/${{count.index}}"
  retention_in_days = {days}
}}
"""


def retention(environment: SmallEnvironment) -> set[int]:
    groups = environment.stack.client("logs").describe_log_groups(logGroupNamePrefix="/small1/kept/")["logGroups"]
    return {int(group["retentionInDays"]) for group in groups}


def test_an_apply_that_was_killed_is_resumed(environment: SmallEnvironment) -> None:
    """kill -9 while Terraform waits for AWS: killed too, it leaves its lock and no state; let live, it ends well."""
    write(environment, RETAINED.format(days=365))
    assert environment.omc(*apply(environment, "killed")).returncode == 0
    for days, with_terraform in ((400, True), (365, False)):
        write(environment, RETAINED.format(days=days))
        slow = {"service": "logs", "operation": "PutRetentionPolicy", "kind": "slow", "seconds": 15.0}
        environment.stack.private("faults", [slow])
        try:
            run = kill_while_applying(environment, with_terraform=with_terraform)
        finally:
            environment.stack.private("faults", [])
        resumed = environment.omc("runs", "resume", run, "--env", environment.name, "--output", "json")
        assert resumed.returncode == 0, resumed.stdout + resumed.stderr
        assert resumed.json["run"]["verdict"] == "succeeded"
        assert retention(environment) == {days}
        assert unlocked(environment)
    write(environment, FORGOTTEN.replace("terraform_data.app", "aws_cloudwatch_log_group.kept"))  # for who comes next
    assert environment.omc(*apply(environment, "killed")).returncode == 0


def kill_while_applying(environment: SmallEnvironment, *, with_terraform: bool) -> str:
    """Begin an apply, kill it while Terraform holds the lock and works; returns the run."""
    s3 = environment.stack.client("s3")
    first = subprocess.Popen(
        environment.command(*apply(environment, "killed")),
        env=clean_env(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    children: Sequence[psutil.Process] = ()
    try:

        def applying() -> bool:
            assert first.poll() is None, "the apply ended before it was killed"
            try:
                held = s3.get_object(Bucket=bucket_of(environment), Key="staging/terraform.tfstate.tflock")
                return bool(json.loads(held["Body"].read())["Operation"] == "OperationTypeApply")
            except (s3.exceptions.NoSuchKey, ValueError):
                return False

        eventually("Terraform holds the lock", applying, within=300)
        children = [child for child in psutil.Process(first.pid).children(recursive=True) if is_terraform(child)]
        for child in children if with_terraform else ():
            with suppress(psutil.NoSuchProcess):  # the provider may end when its Terraform does
                child.kill()
    finally:
        first.kill()
        first.wait(30)
    psutil.wait_procs(children, timeout=120)
    runs = environment.omc("runs", "list", "--env", environment.name, "--output", "json").json["runs"]
    return str(runs[0]["run"])


def is_terraform(process: psutil.Process) -> bool:
    try:
        return process.name().startswith("terraform")
    except psutil.NoSuchProcess:
        return False


NOTHING = "Nothing is to be changed: small1 is what the code says."
DASHBOARD = """
resource "terraform_data" "{name}" {{
  input = "{title}"
}}
"""
MOVED = """
moved {
  from = terraform_data.application
  to   = terraform_data.app
}
"""
IMPORTED = """
import {
  to = terraform_data.found
  id = "made-by-hand"
}

resource "terraform_data" "found" {
}
"""
FORGOTTEN = """
removed {
  from = terraform_data.app
  lifecycle {
    destroy = false
  }
}
"""


def test_what_is_only_moved_imported_or_forgotten_is_a_change_that_is_applied(environment: SmallEnvironment) -> None:
    """Each is told in the plan, applied, and over: with its block taken out, nothing is destroyed and made anew."""
    app = DASHBOARD.format(name="app", title="a title")
    write(environment, DASHBOARD.format(name="application", title="a title"))
    assert environment.omc(*apply(environment, "moved")).returncode == 0
    own = managed(environment)["terraform_data.application"]
    records = [
        (app + MOVED, app, "1 moved", {"terraform_data.app": own}),
        (app + IMPORTED, app + IMPORTED[IMPORTED.index("resource") :], "1 imported",
            {"terraform_data.app": own, "terraform_data.found": "made-by-hand"}),
        (FORGOTTEN + IMPORTED[IMPORTED.index("resource") :], IMPORTED[IMPORTED.index("resource") :], "1 forgotten",
            {"terraform_data.found": "made-by-hand"}),
    ]  # fmt: skip
    for with_block, without_block, counted, left in records:
        write(environment, with_block)
        planned = environment.omc("infra", "plan", "--env", environment.name)
        assert planned.returncode == 0, planned.stdout + planned.stderr
        assert counted in planned.stdout
        assert NOTHING not in planned.stdout
        done = environment.omc(*apply(environment, "moved"))
        assert done.returncode == 0, done.stdout + done.stderr
        assert counted in done.json["run"]["sentence"]
        assert managed(environment) == left
        write(environment, without_block)
        after = environment.omc("infra", "plan", "--env", environment.name)
        assert after.stdout.splitlines()[-1] == NOTHING, after.stdout + after.stderr
        assert managed(environment) == left


def test_a_plan_of_a_part_says_so_before_and_after_it_is_applied(environment: SmallEnvironment, tmp_path: Path) -> None:
    """Two titles were changed, and a plan that somebody made with -target has one of them."""
    write(environment, DASHBOARD.format(name="one", title="old") + DASHBOARD.format(name="two", title="old"))
    assert environment.omc(*apply(environment, "part")).returncode == 0
    write(environment, DASHBOARD.format(name="one", title="new") + DASHBOARD.format(name="two", title="new"))
    whole = environment.omc("infra", "plan", "--env", environment.name)
    assert "0 added, 2 changed" in whole.stdout, whole.stdout + whole.stderr
    assert "ONLY A PART" not in whole.stdout
    file = tmp_path / "target.tfplan"
    command = [str(find_terraform().executable), "plan", "-input=false", "-target=terraform_data.one", f"-out={file}"]
    copy = environment.stack.state / "infrastructure/terraform/environments/staging"
    made = run(command, clean_env(**environment.stack.reach(), **environment.provider), 120, cwd=copy)
    assert made.returncode == 0, made.stdout + made.stderr
    for output in ("table", "markdown", "json"):
        shown = environment.omc(
            "infra", "apply", "--env", environment.name, "--plan", str(file), "--dry-run", "--output", output
        )
        assert "ONLY A PART" in shown.stdout, shown.stdout + shown.stderr
        assert "0 added, 1 changed" in shown.stdout
    done = environment.omc(
        "infra", "apply", "--env", environment.name, "--plan", str(file), "--yes", "--output", "json"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "part" in done.json["run"]["sentence"].lower()
    rest = environment.omc("infra", "plan", "--env", environment.name)
    assert "0 added, 1 changed" in rest.stdout, rest.stdout + rest.stderr


SECRETS = """
variable "quotes_url" {
  type = string
}

variable "api_token" {
  type = string
}

variable "settings" {
  type = map(string)
}

variable "words" {
  type = list(string)
}

resource "aws_sqs_queue" "jobs" {
  name = "jobs"
  tags = { Name = "jobs", Contact = var.words[0] }
}

resource "aws_ssm_parameter" "url" {
  name        = "/small1/url"
  description = var.words[1]
  type        = "String"
  value       = var.quotes_url
  tags        = { api-token = var.api_token }
}

resource "terraform_data" "settings" {
  input            = merge(var.settings, { title = "TITLE" })
  triggers_replace = var.words
}

output "reach" {
  value = { url = var.quotes_url, words = var.words, settings = var.settings }
}

check "words" {
  assert {
    condition     = length(var.words) == 0
    error_message = "Too many words: ${join(", ", var.words)} ${var.quotes_url}"
  }
}
"""
REFUSING = """
resource "terraform_data" "refused" {
  input = "x"
  lifecycle {
    precondition {
      condition     = length(var.words) == 0
      error_message = "These can't be: ${join(", ", var.words)} ${jsonencode(var.settings)} ${var.quotes_url}"
    }
  }
}
"""


def test_a_secret_in_tfvars_and_in_tags_of_aws_is_shown_and_kept_nowhere(
    environment: SmallEnvironment, tmp_path: Path
) -> None:
    """A canary in every variable of a file, and in tags that somebody set by hand: no text, JSON, Markdown, summary,
    error, log, record or list of processes has it. Terraform's own files do, which only their user may read."""
    values = {
        "quotes_url": f"https://user:{CANARY}@api.example.com/v1",
        "api_token": CANARY,
        "settings": {"db_password": CANARY, "url": f"postgresql://app:{CANARY}@db/app", "json": FORMS[1], "plain": "1"},
        "words": list(FORMS),
    }
    tfvars = root_of(environment) / "terraform.tfvars.json"
    tfvars.write_text(json.dumps(values))
    seen: list[CommandResult] = []
    summaries: list[Path] = []
    env, file = ("--env", environment.name), tmp_path / "reviewed.tfplan"
    sqs = environment.stack.client("sqs")

    def run_omc(*words: str) -> CommandResult:
        seen.append(environment.omc("infra", *words, *env))
        return seen[-1]

    def shown_in_all_ways() -> None:
        summaries.append(tmp_path / f"summary-{len(summaries)}.json")
        planned = run_omc("plan", "--full", "--out", str(file), "--summary", str(summaries[-1]))
        assert planned.returncode == 0, planned.stdout + planned.stderr
        for output in ("table", "json", "markdown"):
            assert run_omc("apply", "--plan", str(file), "--dry-run", "--output", output).returncode == 0
        assert run_omc("plan", "--output", "markdown").returncode == 0
        assert run_omc("drift", "--all", "--full").returncode in (0, 1)

    try:
        with listing_processes() as listed:
            write(environment, SECRETS.replace("TITLE", "old"))
            shown_in_all_ways()
            assert run_omc("apply", "--yes").returncode == 0
            queue = sqs.get_queue_url(QueueName="jobs")["QueueUrl"]
            sqs.tag_queue(QueueUrl=queue, Tags={"api-token": CANARY, "Note": FORMS[0], "Reach": FORMS[2]})
            write(environment, SECRETS.replace("TITLE", "new"))
            shown_in_all_ways()
            assert run_omc("apply", "--yes", "--output", "json").returncode == 0
            assert set(sqs.list_queue_tags(QueueUrl=queue)["Tags"]) == {"Name", "Contact"}
            write(environment, SECRETS.replace("TITLE", "new") + REFUSING)
            assert run_omc("plan").returncode == 1
            assert run_omc("apply", "--yes").returncode == 1
            write(environment, SECRETS.replace("TITLE", "new"))
            assert run_omc("destroy", "--dry-run").returncode == 0
        runs = [str(one["run"]) for one in environment.omc("runs", "list", *env, "--output", "json").json["runs"][:2]]
        for output in ("table", "json", "markdown"):
            seen += [environment.omc("runs", "show", run, "--output", output) for run in runs]
            seen.append(environment.omc("audit", "show", *env, "--output", output))
        assert "aws_sqs_queue.jobs" in seen[0].stdout
        for done in seen:
            assert CANARY not in done.stdout + done.stderr, done
        assert all(CANARY not in file.read_text() for file in summaries)
        assert not [words for words in listed if CANARY in words]
        place = locate_store(load(environment.file), load(environment.file).environments[environment.name])
        with open_store(place) as store, store.reading() as session:
            connection = session.connection().connection.driver_connection
            rows = dump(cast("psycopg.Connection", connection))
        assert runs[0] in rows
        assert CANARY not in rows
        logs = [*environment.stack.state.glob("*.log"), *environment.file.parent.rglob("*.log")]
        assert not [log for log in logs if CANARY in log.read_text(errors="replace")]
    finally:
        tfvars.unlink()
