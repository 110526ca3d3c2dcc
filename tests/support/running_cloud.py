"""A local cloud inside the test process: on a free address block, ended when the test has done with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from localcloud import assemble
from localcloud.core import addresses, profiles
from localcloud.core.cloud import Cloud


@contextmanager
def cloud_at(state: Path, region: str = addresses.DEFAULT_REGION, profile: str = profiles.FULL) -> Iterator[Cloud]:
    """On this state folder, which it leaves: a second one takes up where the first left off."""
    state.mkdir(parents=True, exist_ok=True)
    home = addresses.load(state) or addresses.create(state, region=region, profile=profile)
    cloud = assemble.assemble(home.settings, home.access_key_id, home.secret_access_key)
    server = assemble.start(cloud)
    try:
        yield cloud
    finally:
        assemble.stop(cloud, server)
        assemble.forget(cloud)


@contextmanager
def running_cloud(state: Path, region: str = addresses.DEFAULT_REGION, profile: str = profiles.FULL) -> Iterator[Cloud]:
    """As ``cloud_at``, and its addresses are free afterwards."""
    try:
        with cloud_at(state, region, profile) as cloud:
            yield cloud
    finally:
        addresses.release(state)


@contextmanager
def smallest_cloud(state: Path, *services: str, region: str = addresses.DEFAULT_REGION) -> Iterator[Cloud]:
    """The smallest profile, and these services beside: a profile of its own, whose name says them."""
    name = "-".join(["smallest", *services])
    with pytest.MonkeyPatch.context() as patch:
        chosen = (profiles.CHOSEN[profiles.MINIMAL] or frozenset()) | set(services)
        patch.setattr(profiles, "CHOSEN", {**profiles.CHOSEN, name: chosen})
        with running_cloud(state, region, name) as cloud:
            yield cloud
