"""A local cloud inside the test process, and clients for it.

``cloud`` is fresh for each test, ``shared_cloud`` lives as long as its test module; ``aws`` and ``shared_aws`` make
boto3 clients for them with retries off, so that a gap fails at once. Any "unsupported operation" in the log that a
test didn't ask for (mark ``unsupported_allowed``) fails it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from localcloud.core.cloud import Cloud
from localcloud.core.profiles import FULL
from localcloud.front.identity import Identity
from support.provider import running_provider
from support.running_cloud import running_cloud
from support.terraform_root import reach

Clients = Callable[..., Any]


@pytest.fixture
def provider(cloud: Cloud) -> Iterator[Mapping[str, str]]:
    """The environment in which Terraform uses one provider for all that a test runs on its cloud."""
    with running_provider(reach(cloud)) as environment:
        yield environment


def clients(cloud: Cloud) -> Clients:
    """A factory: ``aws("ecs")`` is a boto3 client of this cloud; keywords go to boto3 (``region_name`` …)."""
    identity = cloud.part(Identity)

    def client(service: str, **more: Any) -> Any:
        settings: dict[str, Any] = {
            "endpoint_url": cloud.settings.endpoint,
            "region_name": cloud.settings.region,
            "aws_access_key_id": identity.access_key_id,
            "aws_secret_access_key": identity.secret_access_key,
            "config": Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        }
        return boto3.client(service, **{**settings, **more})  # type: ignore[call-overload]  # the stub wants literals

    return client


@pytest.fixture(scope="session")
def clients_of() -> Callable[[Cloud], Clients]:
    """For tests that start clouds of their own."""
    return clients


@pytest.fixture(scope="session")
def cloud_in() -> Callable[..., AbstractContextManager[Cloud]]:
    """``cloud_in(state, region)``: for tests of a cloud that isn't at home."""
    return running_cloud


def _profile(request: pytest.FixtureRequest) -> str:
    """A test module that needs only the minimal profile's services says ``PROFILE = "minimal"``."""
    return str(getattr(request.module, "PROFILE", FULL))


@pytest.fixture
def cloud(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Cloud]:
    with running_cloud(tmp_path / "state", profile=_profile(request)) as running:
        yield running


@pytest.fixture
def aws(cloud: Cloud) -> Clients:
    return clients(cloud)


@pytest.fixture(scope="module")
def shared_cloud(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Cloud]:
    with running_cloud(tmp_path_factory.mktemp("cloud") / "state", profile=_profile(request)) as running:
        yield running


@pytest.fixture(scope="module")
def shared_aws(shared_cloud: Cloud) -> Clients:
    return clients(shared_cloud)


@pytest.fixture(autouse=True)
def no_gap_passes_silently(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A call that nobody answered, or a failure inside localcloud, fails the test even where the client shrugged."""
    caplog.set_level(logging.INFO, logger="localcloud")
    yield
    if request.node.get_closest_marker("unsupported_allowed"):
        return
    lines = [record.getMessage() for record in caplog.get_records("call")]
    gaps = [line for line in lines if line.startswith(("unsupported operation", "localcloud failed", "moto failed"))]
    assert not gaps, gaps
