"""Releases: a wrong host, too little memory, one that fails later, and what new tasks need and don't find."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from rehearsal.outside.story import Story
from rehearsal.outside.world import World, environment

Change = Callable[[dict[str, Any], dict[str, Any]], None]
NO_ROLLBACK = r"omc rollback"
"""ECS has rolled back already: doing it again would take away what serves."""


def _released(service: str, change: Change) -> Callable[[World], AbstractContextManager[None]]:
    """A release, from its beginning on."""

    @contextmanager
    def fault(world: World) -> Iterator[None]:
        with world.released(service, change):
            yield

    return fault


def _rolled_back(service: str, change: Change) -> Callable[[World], AbstractContextManager[None]]:
    """A release that ECS has given up: what is said afterwards."""

    @contextmanager
    def fault(world: World) -> Iterator[None]:
        with world.released(service, change) as made:
            world.rolled_back(service, made)
            yield

    return fault


def _variable(name: str, value: str) -> Change:
    return lambda _, container: environment(container, name, value)


def _container_memory(mebibytes: int) -> Change:
    def change(_: dict[str, Any], container: dict[str, Any]) -> None:
        container["memory"] = mebibytes

    return change


def _hungry(definition: dict[str, Any], container: dict[str, Any]) -> None:
    """The smallest task that there is, and an application that takes more from its start."""
    definition |= {"cpu": "256", "memory": "512"}
    container["command"] = ["python", "-c", f"held = bytearray(600 << 20)\n{_START}"]


_START = "import runpy; runpy.run_module('backend', run_name='__main__', alter_sys=True)"
_LATER = f"""
import random, time
from starlette.routing import Router
route, begin = Router.__call__, time.monotonic() + 40
async def call(self, scope, receive, send):
    hit = time.monotonic() > begin and random.random() < 0.3
    if hit and scope["type"] == "http" and "/health" not in scope["path"]:
        raise RuntimeError("the ledger has no entry for this quote")
    await route(self, scope, receive, send)
Router.__call__ = call
{_START}
"""


def _fails_later(_: dict[str, Any], container: dict[str, Any]) -> None:
    """Well for 40 s, then three of ten requests fail; its health checks never do."""
    environment(container, "WEB_CONCURRENCY", "1")
    container["command"] = ["python", "-c", _LATER]


def _crashes(_: dict[str, Any], container: dict[str, Any]) -> None:
    container["command"] = ["python", "-c", "raise SystemExit('the licence has run out')"]


@contextmanager
def _image_deleted(world: World) -> Iterator[None]:
    """The image that runs is deleted from the registry, and a task has to start."""
    ecr = world.aws("ecr")
    _, _, named = world.definition("backend")["containerDefinitions"][0]["image"].partition("/")
    repository, _, digest = named.partition("@")
    [held] = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])["images"]
    tags = ecr.describe_images(repositoryName=repository, imageIds=[{"imageDigest": digest}])["imageDetails"][0]
    ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])
    try:
        world.stop_one_task("backend")
        yield
    finally:
        more = {"imageTag": tags["imageTags"][0]} if tags.get("imageTags") else {}
        ecr.put_image(repositoryName=repository, imageManifest=held["imageManifest"], **more)


def _secret_deleted(*, needed: bool) -> Callable[[World], AbstractContextManager[None]]:
    @contextmanager
    def fault(world: World) -> Iterator[None]:
        secrets, name = world.aws("secretsmanager"), world.output("secret_key_name")
        secrets.delete_secret(SecretId=name, RecoveryWindowInDays=7)
        try:
            if needed:
                world.stop_one_task("backend")
            yield
        finally:
            secrets.restore_secret(SecretId=name)

    return fault


STORIES = (
    Story(
        "wrong-database-host",
        _released("backend", _variable("POSTGRES_SERVER", "databse.internal")),
        "a release with a wrong POSTGRES_SERVER",
        headline=r"backend.*(databse\.internal|resolve)|(databse\.internal|resolve).*backend",
        words=(r"databse\.internal",),
        never=(r"security group",),
        within=150,
    ),
    Story(
        "wrong-database-host-rolled-back",
        _rolled_back("backend", _variable("POSTGRES_SERVER", "databse.internal")),
        "a release with a wrong POSTGRES_SERVER that ECS has rolled back",
        headline=r"backend.*(databse\.internal|resolve|rolled back)",
        words=(r"databse\.internal", r"rolled back"),
        never=(NO_ROLLBACK,),
        exits=(0, 1),
        within=60,
    ),
    Story(
        "wrong-cache-host",
        _released("backend", _variable("REDIS_HOST", "cash.internal")),
        "a release with a wrong REDIS_HOST: it serves, without its cache",
        headline=r"cache",
        words=(r"cash\.internal|resolve|REDIS_HOST",),
        within=150,
    ),
    Story(
        "wrong-exchange-host",
        _released("backend", _variable("EXCHANGE_URL", "https://exchnage.internal")),
        "a release with a wrong EXCHANGE_URL: prices grow old",
        headline=r"exchange|prices|data",
        words=(r"exchange", r"exchnage\.internal|resolve"),
        within=150,
    ),
    Story(
        "wrong-port",
        _rolled_back("backend", _variable("POSTGRES_PORT", "5433")),
        "a release with a wrong POSTGRES_PORT that ECS has rolled back",
        headline=r"backend",
        words=(r"5433", r"rolled back"),
        never=(NO_ROLLBACK,),
        exits=(0, 1),
        within=60,
    ),
    Story(
        "container-memory-too-small",
        _released("backend", _container_memory(48)),
        "a release whose container may use 48 MiB",
        headline=r"backend.*memory|memory.*backend",
        words=(r"137|OutOfMemory", r"memory"),
        exits=(0, 1),  # its tasks die within seconds, and ECS has soon put back what ran before
        within=120,
    ),
    Story(
        "task-memory-too-small",
        _released("backend", _hungry),
        "a release whose task has less memory than it takes",
        headline=r"backend.*memory|memory.*backend",
        words=(r"137|OutOfMemory", r"memory"),
        exits=(0, 1),  # its tasks die within seconds, and ECS has soon put back what ran before
        within=120,
    ),
    Story(
        "crashes-at-once",
        _rolled_back("frontend", _crashes),
        "a release of the frontend that exits at once, and that ECS has rolled back",
        headline=r"frontend.*(licence has run out|rolled back)",
        words=(r"licence has run out",),
        never=(NO_ROLLBACK,),
        exits=(0, 1),
        within=60,
    ),
    Story(
        "fails-after-40-seconds",
        _released("backend", _fails_later),
        "a release that is well for 40 s and then fails three of ten requests",
        headline=r"backend.*(5xx|fail|error)|(5xx|error).*backend",
        words=(r"5xx|error", r"ledger has no entry"),
        within=240,
    ),
    Story(
        "image-deleted",
        _image_deleted,
        "the image that runs is deleted from the registry, and a task has to start",
        headline=r"backend.*image|image.*backend",
        words=(r"CannotPull|not found|doesn't exist|deleted|no longer", r"sha256:\w{6,}"),
        never=(NO_ROLLBACK,),
        within=120,
    ),
    Story(
        "secret-deleted",
        _secret_deleted(needed=False),
        "a secret of the backend is deleted; the tasks that run have it",
        headline=r"secret",
        words=(r"secret-key", r"delet"),
        exits=(0, 1),
        within=60,
    ),
    Story(
        "secret-deleted-and-a-task-starts",
        _secret_deleted(needed=True),
        "a secret of the backend is deleted, and a task has to start",
        headline=r"secret",
        words=(r"secret-key", r"backend", r"delet|ResourceInitialization"),
        never=(NO_ROLLBACK,),
        within=120,
    ),
)
