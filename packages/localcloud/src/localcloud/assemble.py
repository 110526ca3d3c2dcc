"""The whole cloud put together: the services of its profile imported (so that they register what they have), their
components attached.

The cloud as a program is in ``program``.
"""

from __future__ import annotations

import inspect
import logging
import os

import localcloud.faults.page
import localcloud.history.page  # noqa: F401 — registers its page
from localcloud.core import profiles
from localcloud.core.cloud import Cloud, Component, Settings
from localcloud.core.processes import Supervisor
from localcloud.core.registry import component_classes
from localcloud.core.snapshot import Snapshots, forget_instances
from localcloud.front.call_log import CallLog
from localcloud.front.faults import Faults
from localcloud.front.identity import Identity
from localcloud.front.server import Server

# No machine image is ever started here, and moto's 500 of them cost most of a snapshot.
os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")

log = logging.getLogger(__name__)


def assemble(settings: Settings, access_key_id: str, secret_access_key: str) -> Cloud:
    """A cloud with everything of its profile attached, not started yet. Raises ``ProfileError``."""
    chosen = profiles.profile(settings.profile)
    profiles.load(chosen)
    cloud = Cloud(settings)
    forget_instances()
    components: list[Component] = [
        Identity(access_key_id, secret_access_key),
        CallLog(settings.state / "calls.sqlite"),
        Faults(),
        Supervisor(settings.state),
    ]
    for kind in component_classes():
        if not chosen.has_module(kind.__module__):
            continue
        wanted = inspect.signature(kind).parameters
        provided = {"settings": settings, "state": settings.state}
        components.append(kind(**{name: provided[name] for name in wanted if name in provided}))
    components.append(Snapshots(settings.state))
    for component in components:
        cloud.attach(component)
    return cloud


def start(cloud: Cloud, server: Server | None = None) -> Server:
    """Take back the saved state, start every component, then answer. Raises ``OSError`` where the port is taken.

    Where it fails halfway, what was started is ended again and the saved state stays as it is.
    """
    server = server or Server(cloud)
    started: list[Component] = []
    try:
        server.bind()
        cloud.part(Snapshots).restore(cloud)
        for component in cloud.components():
            started.append(component)
            component.start(cloud)
        server.start()
    except BaseException:
        cloud.stopping.set()
        server.stop()
        _stop(cloud, started)
        raise
    return server


def _stop(cloud: Cloud, components: list[Component]) -> None:
    for component in reversed(components):
        try:
            component.stop()
        except Exception:
            log.exception("stopping %s failed", component.name)
    cloud.join(5)


def stop(cloud: Cloud, server: Server) -> dict[str, str]:
    """No more calls, a last snapshot, then the components in the reverse order of their start. Returns what could not
    be saved, by its name, and why."""
    server.stop()
    try:
        cloud.part(Snapshots).save(cloud)
    except Exception:
        log.exception("the last snapshot failed")
    finally:
        cloud.stopping.set()
        _stop(cloud, cloud.components())
    return cloud.part(Snapshots).problems


def forget(cloud: Cloud) -> None:
    """Drop moto's backends of this cloud's account, which are the process's, not the cloud's (for tests)."""
    from moto.core.base_backend import BackendDict

    for backends in list(BackendDict._instances):
        backends.pop(cloud.settings.account, None)
