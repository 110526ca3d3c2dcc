"""omc's side of a local cloud: what it refuses, and what it does with what an earlier run left behind."""

from __future__ import annotations

import fcntl
import json
import shutil
import sys
from pathlib import Path

import pytest

from omc.config import load
from omc.errors import OmcError
from omc.local import cloud, lifecycle
from omc.local.lifecycle import LocalStack, Phase, Record, site_of
from omc.progress import Progress
from omc.store import embedded
from omc.store.database import open_store
from omc.store.location import StoreLocation
from support.commands import ROOT, clean_env, run


@pytest.fixture
def site(tmp_path: Path) -> LocalStack:
    return site_of(load(ROOT / "omc.toml"), tmp_path / "cloud")


def test_a_full_disk_is_reported_before_anything_is_written(site: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "SPACE", 2**60)
    with pytest.raises(OmcError, match=r"needs \d+ MiB of disk and .* has \d+ MiB free"):
        lifecycle.up(site, Progress())
    assert not site.record_file.exists()


def test_without_terraform_and_applications_beside_omc_toml_nothing_is_started(tmp_path: Path) -> None:
    shutil.copy(ROOT / "omc.toml", tmp_path)
    elsewhere = site_of(load(tmp_path / "omc.toml"), tmp_path / "cloud")
    missing = "infrastructure/terraform/bootstrap and no .* and no apps/backend and no apps/frontend beside"
    with pytest.raises(OmcError, match=missing):
        lifecycle.up(elsewhere, Progress())
    assert not elsewhere.record_file.exists()


def test_a_second_up_on_the_same_folder_is_refused(site: LocalStack) -> None:
    site.state.mkdir()
    with (site.state / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(OmcError, match=r"Another `omc local up` is working on .* or use another folder"):
            lifecycle.up(site, Progress())


def test_omcs_own_database_ends_with_the_cloud_unless_it_is_used_and_goes_with_a_reset(site: LocalStack) -> None:
    folder = site.state / "omc"
    with open_store(StoreLocation(folder=folder)):
        lifecycle.down(site)
        assert embedded._living(folder / "data") is not None
    assert embedded._living(folder / "data") is None
    kept = embedded.Server(folder)
    kept.enter()
    lifecycle.reset(site)
    assert not folder.exists()
    kept.leave()


def test_the_record_comes_back_as_it_was_written(site: LocalStack) -> None:
    assert site.read() == Record()
    written = Record(Phase.APPLIED, "/mirror", {"backend": "x@sha256:1"}, {"cluster_name": "c"})
    site.write(written)
    assert site.read() == written


def test_a_record_cut_off_half_way_counts_as_an_apply_cut_off(site: LocalStack) -> None:
    site.state.mkdir()
    site.record_file.write_text('{"phase": "app')
    assert site.read().phase is Phase.APPLYING


def test_without_a_cloud_it_says_how_to_start_one(site: LocalStack) -> None:
    with pytest.raises(OmcError, match=r"No local cloud runs in .* Start one: omc local up"):
        cloud.local_endpoint(site.state)


def test_a_damaged_cloud_file_is_named(site: LocalStack) -> None:
    site.state.mkdir()
    (site.state / "cloud.json").write_text(json.dumps({"endpoint": "http://127.64.0.1:4566"}))
    with pytest.raises(OmcError, match=r"cloud\.json can't be read"):
        cloud.local_endpoint(site.state)


@pytest.mark.parametrize("verb", [("env",), ("status",), ("logs",), ("fault", "list"), ("fault", "stop", "--all")])
def test_commands_on_no_cloud_are_one_sentence(verb: tuple[str, ...], tmp_path: Path) -> None:
    done = run(
        [*("python", "-m", "omc", "local"), *verb],
        clean_env(OMC_LOCAL_STATE=str(tmp_path / "none"), PATH=f"{Path(sys.executable).parent}:/usr/bin"),
        timeout=60,
    )
    assert done.returncode in {1, 3}
    assert len(done.stderr.strip().splitlines()) == 1
    assert str(tmp_path / "none") in done.stderr
    assert not (tmp_path / "none").exists()


def test_reset_refuses_a_folder_that_is_no_cloud(tmp_path: Path) -> None:
    """The worst thing a `reset` could do is delete somebody's folder."""
    (tmp_path / "thesis.txt").write_text("years of work")
    done = run(
        [sys.executable, *("-m", "omc", "local", "reset", "--force", "--yes", "--state", str(tmp_path))],
        clean_env(),
        timeout=60,
    )
    assert done.returncode == 1
    assert "nothing was deleted" in done.stderr
    assert (tmp_path / "thesis.txt").exists()
