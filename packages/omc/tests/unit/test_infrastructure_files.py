"""The files around a change of the infrastructure: variables, plan files, Terraform's copy, a revert's branch."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from typing import Any, ClassVar

import pytest

from omc import terraform as tf
from omc.errors import WrongUse
from omc.infrastructure import plans, reverts
from omc.infrastructure.copies import copy_sources
from omc.infrastructure.roots import Root
from omc.infrastructure.variables import as_environment, current_variables, require_known


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "environments/staging"
    folder.mkdir(parents=True)
    (folder / "variables.tf").write_text(
        'variable "images" {\n  type = map(string)\n}\n\nvariable "responder" {\n  default = false\n}\n'
    )
    (folder / "terraform.tfvars").write_text("responder = true\n")
    return folder


# -- variables -------------------------------------------------------------------------------------------------------


def test_a_slip_in_a_name_is_an_error_and_says_what_was_meant(root: Path) -> None:
    (root / "terraform.tfvars").write_text("respondr = true\n")
    with pytest.raises(WrongUse, match=r"terraform\.tfvars sets respondr, .* no such variable.* mean \"responder\"\?"):
        require_known(root, {"images": {}}, ())


def test_a_given_name_that_nothing_declares_is_an_error(root: Path) -> None:
    with pytest.raises(WrongUse, match=r"--var sets imges, .* Did you mean \"images\"\?"):
        require_known(root, {"imges": {}}, ())


def test_a_variable_without_a_value_is_asked_for_by_name(root: Path) -> None:
    with pytest.raises(WrongUse, match=r"The variable images of environments/staging has no value.*--var 'images=…'"):
        require_known(root, {}, ())
    (root / "local.tfvars").write_text("images = {}\n")
    require_known(root, {}, ("local.tfvars",))


def test_what_stands_is_kept() -> None:
    definition = {"container_definitions": json.dumps([{"image": "r@sha256:1"}])}
    state = {
        "resources": [
            {
                "mode": "managed",
                "type": "aws_ecs_task_definition",
                "name": "this",
                "module": 'module.stack.module.service["backend"]',
                "instances": [{"attributes": definition}],
            },
            {
                "mode": "managed",
                "type": "aws_lb_listener",
                "name": "https",
                "instances": [{"attributes": {"certificate_arn": "arn:aws:acm:x"}}],
            },
        ]
    }
    assert current_variables(state) == {"images": {"backend": "r@sha256:1"}, "certificate_arn": "arn:aws:acm:x"}
    assert current_variables({}) == {}


def test_a_name_stands_with_what_it_needs() -> None:
    """A certificate that Terraform made is not kept: given as a variable, its own would be taken away."""

    def made(kind: str, name: str, **attributes: str) -> dict[str, Any]:
        return {"mode": "managed", "type": kind, "name": name, "instances": [{"attributes": attributes}]}

    url = {"stack": {"value": {"load_balancer": {"url": "https://app.example.com"}}}}
    listener = made("aws_lb_listener", "https", certificate_arn="arn:aws:acm:x")
    assert current_variables({"outputs": url, "resources": [listener]}) == {
        "certificate_arn": "arn:aws:acm:x",
        "domain_name": "app.example.com",
    }
    own = [
        listener,
        made("aws_acm_certificate", "this", arn="arn:aws:acm:x"),
        made("aws_route53_record", "name", zone_id="Z1"),
        made("aws_route53_record", "proof", zone_id="Z1"),
    ]
    assert current_variables({"outputs": url, "resources": own}) == {"domain_name": "app.example.com", "zone_id": "Z1"}
    plain = {"stack": {"value": {"load_balancer": {"url": "http://lb.example.com"}}}}
    assert current_variables({"outputs": plain, "resources": []}) == {}


class Planning(Root):
    """A root whose Terraform only says what it was given; ``standing`` is its state's."""

    given: ClassVar[dict[str, str]] = {}
    standing: ClassVar[dict[str, Any]] = {}

    def prepare(self) -> None:
        """There is nothing to download."""

    def state(self) -> dict[str, Any]:
        return self.standing

    def run(self, arguments: list[str], event: Any, stop: Any = None) -> str:
        self.given.update(self.environment)
        Path(arguments[1].removeprefix("-out=")).write_text("a plan")
        return ""


def images_planned(root: Path, monkeypatch: pytest.MonkeyPatch, image: str, **more: Any) -> Any:
    """The images that Terraform is given where the state has ``image`` for the backend; empty: it has none."""
    definition = {"container_definitions": json.dumps([{"image": image}])}
    task = {"mode": "managed", "type": "aws_ecs_task_definition", "name": "this", "module": 'module.service["backend"]'}
    current = {"resources": [{**task, "instances": [{"attributes": definition}]}]} if image else {}
    monkeypatch.setattr(Planning, "standing", current)
    monkeypatch.setattr(Planning, "given", {})
    made = Planning("staging", root, root, "bucket", {}, (), tf.Terraform(Path("terraform"), None))
    plans.make(made, more.pop("given", {}), lambda _: None, **more)
    return json.loads(Planning.given["TF_VAR_images"])


def test_first_images_are_taken_where_the_environment_has_none_and_nowhere_else(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = {"images": {"backend": "new"}}
    assert images_planned(root, monkeypatch, "", first=first) == {"backend": "new"}
    assert images_planned(root, monkeypatch, "standing", first=first) == {"backend": "standing"}
    assert images_planned(root, monkeypatch, "standing") == {"backend": "standing"}
    assert images_planned(root, monkeypatch, "standing", first=first, given={"images": {"backend": "given"}}) == {
        "backend": "given"
    }
    with pytest.raises(WrongUse, match="The variable images of environments/staging has no value"):
        images_planned(root, monkeypatch, "", first={"colour": "red"})


def test_variables_reach_terraform_as_it_reads_them() -> None:
    provided = as_environment({"images": {"a": "b"}, "region": "x", "count": 3, "on": True})
    assert provided == {"TF_VAR_images": '{"a": "b"}', "TF_VAR_region": "x", "TF_VAR_count": "3", "TF_VAR_on": "true"}


# -- the copy --------------------------------------------------------------------------------------------------------


def test_the_copy_follows_the_sources_and_keeps_what_terraform_made(tmp_path: Path) -> None:
    source, copy = tmp_path / "infrastructure", tmp_path / "copy"
    (source / "modules/a/tests").mkdir(parents=True)
    (source / "modules/a/main.tf").write_text("# a\n")
    (source / "modules/a/old.tf").write_text("# old\n")
    (source / "modules/a/tests/a.tftest.hcl").write_text("")
    copy_sources(source, copy)
    (copy / ".terraform").mkdir()
    (copy / ".terraform/providers").write_text("")
    untouched = (copy / "modules/a/main.tf").stat().st_mtime_ns
    (source / "modules/a/old.tf").unlink()
    copy_sources(source, copy)
    assert sorted(str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()) == [
        ".terraform/providers",
        "modules/a/main.tf",
    ]
    assert (copy / "modules/a/main.tf").stat().st_mtime_ns == untouched


# -- plan files ------------------------------------------------------------------------------------------------------


def plan_file(path: Path, **sources: str) -> Path:
    """A file of the shape of Terraform's: what omc itself looks into."""
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("tfplan", b"")
        packed.writestr("tfstate", json.dumps({"serial": 7, "lineage": "abc"}))
        modules = [{"Key": "", "Dir": "."}, {"Key": "stack", "Dir": "../../modules/stack"}]
        packed.writestr("tfconfig/modules.json", json.dumps(modules))
        packed.writestr("tfconfig/m-/variables.tf", sources.get("root", ""))
        packed.writestr("tfconfig/m-stack/main.tf", sources.get("stack", "# stack\n"))
    return path


@pytest.mark.parametrize("content", [b"", b"not a plan", b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_plan_file_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.tfplan"
    path.write_bytes(content)
    with pytest.raises(WrongUse, match=r"x\.tfplan is not a Terraform plan file\. Make one: omc infra plan"):
        plans.look_into(path)


def test_a_plan_file_that_is_missing_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="can't be read: no such file or directory"):
        plans.look_into(tmp_path / "none.tfplan")


def test_changed_new_and_removed_sources_are_seen(root: Path, tmp_path: Path) -> None:
    module = tmp_path / "modules/stack"
    module.mkdir(parents=True)
    (module / "main.tf").write_text("# stack\n")
    plan = plans.look_into(plan_file(tmp_path / "p", root=(root / "variables.tf").read_text()))
    assert (plan.serial, plan.lineage) == (7, "abc")
    assert plans.changed_sources(plan, root) == []
    (module / "main.tf").write_text("# other\n")
    (module / "new.tf").write_text("")
    (root / "variables.tf").unlink()
    changed = ["../../modules/stack/main.tf", "../../modules/stack/new.tf", "variables.tf"]
    assert plans.changed_sources(plan, root) == changed


def test_a_plan_file_is_given_out_for_its_owners_eyes_only(tmp_path: Path) -> None:
    kept = plan_file(tmp_path / "kept")
    target = tmp_path / "out.tfplan"
    target.write_text("an older one that all may read")
    plans.hand_out(kept, target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert target.read_bytes() == kept.read_bytes()
    with pytest.raises(WrongUse, match="can't be written to"):
        plans.hand_out(kept, tmp_path / "nowhere/out.tfplan")


# -- the state's lock ------------------------------------------------------------------------------------------------

LOCKED = {
    "@level": "error",
    "diagnostic": {
        "summary": "Error acquiring the state lock",
        "detail": "Error message: operation error S3: PutObject, StatusCode: 412, RequestID: x, HostID: y\nLock Info:\n"
        "  ID:        1b2c\n  Path:      bucket/staging/terraform.tfstate\n  Operation: OperationTypeApply\n"
        "  Who:       alice@laptop\n  Version:   1.11.4\n  Created:   2026-11-23 14:00:00.1 +0000 UTC\n  Info:      \n",
    },
}


def test_somebody_elses_lock_is_named(tmp_path: Path) -> None:
    executable = tmp_path / "terraform"
    body = f"""
    if not pathlib.Path("released").exists():
        print({json.dumps(LOCKED)!r})
        sys.exit(1)
    print("{{}}")
    """
    executable.write_text(f"#!{sys.executable}\nimport pathlib, sys\n{textwrap.dedent(body)}")
    executable.chmod(0o755)
    messages: list[str] = []

    def plan() -> str:
        return tf.run(tf.Terraform(executable, None), tmp_path, ["plan"], env={}, event=lambda _: None)

    def release(message: str) -> None:
        messages.append(message)
        (tmp_path / "released").touch()

    with pytest.raises(
        tf.StateLocked, match=r"locked by alice@laptop since 2026-11-23 14:00:00 UTC \(apply, lock 1b2c\)"
    ):
        plans.held(plan, 0, messages.append)
    assert messages == []
    assert plans.held(plan, 60, release) == "{}\n"
    assert messages == ["Waiting for the state's lock, which alice@laptop holds since 2026-11-23 14:00:00 UTC"]


# -- reverts ---------------------------------------------------------------------------------------------------------


def git(folder: Path, *arguments: str) -> str:
    settings = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *settings, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Three commits: the infrastructure, a change of it, and something else."""
    project = tmp_path / "checkout"
    (project / "infrastructure").mkdir(parents=True)
    git(project, "init", "--quiet", "--initial-branch=main")
    for name, content, subject in (
        ("infrastructure/main.tf", "threshold = 80\n", "Infrastructure"),
        ("infrastructure/main.tf", "threshold = 99\n", "A threshold that never rings"),
        ("README.md", "hello\n", "Say hello"),
    ):
        (project / name).write_text(content)
        git(project, "add", ".")
        git(project, "commit", "--quiet", "-m", subject)
    return project


def test_the_newest_change_of_the_infrastructure_is_taken_back_beside_the_checkout(
    checkout: Path, tmp_path: Path
) -> None:
    (checkout / "README.md").write_text("not committed\n")
    before = git(checkout, "rev-parse", "HEAD"), git(checkout, "status", "--porcelain")
    done = reverts.revert(checkout, (), tmp_path / "work")
    assert (done.project / "infrastructure/main.tf").read_text() == "threshold = 80\n"
    assert (done.project / "README.md").read_text() == "hello\n"
    assert done.commits[0].endswith("A threshold that never rings")
    assert (git(checkout, "rev-parse", "HEAD"), git(checkout, "status", "--porcelain")) == before
    reverts.drop(done)
    assert not done.folder.exists()
    assert done.branch in git(checkout, "branch", "--list", "revert-*")


def test_what_does_not_revert_cleanly_leaves_nothing_behind(checkout: Path, tmp_path: Path) -> None:
    first = git(checkout, "rev-list", "--max-parents=0", "HEAD").strip()
    with pytest.raises(reverts.GitError, match=r"can't be reverted cleanly \(conflicts in infrastructure/main\.tf\)"):
        reverts.revert(checkout, (first,), tmp_path / "work")
    assert git(checkout, "branch", "--list", "revert-*") == ""
    assert list((tmp_path / "work/reverts").iterdir()) == []


@pytest.mark.parametrize("name", ["1234567", "--help", "none..such"])
def test_a_commit_that_does_not_exist_is_one_sentence(checkout: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(WrongUse, match=f"There is no commit {name} in the history"):
        reverts.revert(checkout, (name,), tmp_path / "work")


def test_a_folder_without_git_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="is not a git checkout, so there is nothing to revert"):
        reverts.revert(tmp_path, (), tmp_path / "work")
