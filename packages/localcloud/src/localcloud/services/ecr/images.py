"""ECR: images with true digests, and the folders behind them.

moto keeps the repositories and their records. Here live what makes an image real: a content-addressed copy of an
app's folder with its start command, taken from its Dockerfile, a manifest whose digest is the SHA-256 of its bytes,
and the way back from an image's reference to that folder. Building a Dockerfile's other steps is not done: the app's
folder *is* the image's file system.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.core.images import ImageConfig, ImageError

log = logging.getLogger(__name__)

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar"
PROCESSORS = {"x86_64": "amd64", "aarch64": "arm64"}
"""Other names that Docker takes for a processor."""

IGNORED_NAMES = frozenset(
    {".git", ".venv", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", "node_modules", ".DS_Store"}
)
IGNORED_SUFFIXES = (".pyc", ".pyo", ".egg-info")


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push answers."""

    repository: str
    tag: str
    digest: str
    uri: str
    """``<registry>/<repository>@<digest>``: what a task definition should name."""
    already_there: bool


# --- reading a Dockerfile


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    joined = re.sub(r"\\[ \t]*\n", " ", re.sub(r"^[ \t]*#.*\n?", "", text, flags=re.MULTILINE))
    for line in joined.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word:
            yield word.upper(), rest.strip()


def _command(rest: str, instruction: str) -> tuple[str, ...]:
    """The JSON form as it is; the shell form as Docker runs it."""
    if not rest.startswith("["):
        return ("/bin/sh", "-c", rest)
    try:
        words = json.loads(rest)
    except ValueError as error:
        raise ImageError(f"The Dockerfile's {instruction} {rest} is not a JSON list: {error}.") from error
    return tuple(str(word) for word in words)


def _pairs(rest: str) -> Iterator[tuple[str, str]]:
    import shlex

    first = rest.split(maxsplit=1)
    if first and "=" not in first[0]:
        yield first[0], first[1] if len(first) > 1 else ""
        return
    for word in shlex.split(rest):
        name, _, value = word.partition("=")
        yield name, value


def read_dockerfile(text: str) -> ImageConfig:
    """The configuration of the last stage of a Dockerfile (what its base image adds is not known here)."""
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    labels: dict[str, str] = {}
    ports: list[int] = []
    directory, user = "/", ""
    architecture, stages = "amd64", dict[str, str]()
    for word, rest in _instructions(text):
        match word:
            case "FROM":
                command, entrypoint, environment, ports, directory, user = (), (), {}, [], "/", ""
                labels = {}
                architecture = _architecture(rest, stages)
            case "CMD":
                command = _command(rest, word)
            case "ENTRYPOINT":
                entrypoint = _command(rest, word)
            case "ENV":
                environment.update(_pairs(rest))
            case "LABEL":
                labels.update(_pairs(rest))
            case "EXPOSE":
                ports.extend(int(port.split("/")[0]) for port in rest.split() if port.split("/")[0].isdigit())
            case "WORKDIR":
                directory = rest if rest.startswith("/") else f"{directory.rstrip('/')}/{rest}"
            case "USER":
                user = rest
            case _:
                pass
    return ImageConfig(command, entrypoint, environment, tuple(ports), directory, user, architecture, labels)


def _architecture(rest: str, stages: dict[str, str]) -> str:
    """The processor of a stage by what follows its ``FROM``; kept in ``stages`` under the stage's name.

    A platform is ``linux/arm64/v8`` or ``arm64``. Where none is said, or by a variable, it is that of the stage it
    begins with, else amd64, which the stack's images are built for.
    """
    words = rest.split()
    names = [word for word in words if not word.startswith("--")]
    platform = next((word.partition("=")[2] for word in words if word.startswith("--platform=")), "")
    message = "" if "$" in platform else platform.removeprefix("linux").strip("/").partition("/")[0].lower()
    found = PROCESSORS.get(message, message) or stages.get(names[0].lower() if names else "", "amd64")
    if len(names) == 3 and names[1].upper() == "AS":
        stages[names[2].lower()] = found
    return found


# --- the store


class _HashingWriter(io.RawIOBase):
    """Takes a tar stream and keeps only its hash and length."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.length = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.hash.update(data)
        self.length += len(data)
        return len(data)


def files_of(folder: Path) -> list[Path]:
    found: list[Path] = []
    for parent, names, files in os.walk(folder):
        names[:] = sorted(n for n in names if n not in IGNORED_NAMES and not n.endswith(IGNORED_SUFFIXES))
        found.extend(Path(parent, n) for n in files if n not in IGNORED_NAMES and not n.endswith(IGNORED_SUFFIXES))
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _layer(folder: Path, files: list[Path]) -> tuple[str, int]:
    """Digest and size of the folder as a layer."""
    writer = _HashingWriter()
    pack(folder, files, writer)
    return f"sha256:{writer.hash.hexdigest()}", writer.length


def pack(folder: Path, files: list[Path], into: Any) -> None:
    """Write the folder as a tar without times and owners, so that equal content is an equal digest."""
    with tarfile.open(fileobj=into, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for path in files:
            info = tar.gettarinfo(str(path), path.relative_to(folder).as_posix())
            info.mtime, info.uid, info.gid, info.uname, info.gname = 0, 0, 0, "", ""
            info.mode = 0o755 if info.mode & 0o100 else 0o644
            if info.isreg():
                with path.open("rb") as content:
                    tar.addfile(info, content)
            else:
                tar.addfile(info)


def _config_json(config: ImageConfig, layer_digest: str) -> str:
    document = {
        "architecture": config.architecture,
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",  # a build time would give equal content another digest
        "config": {
            "Cmd": list(config.command),
            "Entrypoint": list(config.entrypoint),
            "Env": [f"{name}={value}" for name, value in config.environment.items()],
            "ExposedPorts": {f"{port}/tcp": {} for port in config.exposed_ports},
            "WorkingDir": config.working_directory,
            "User": config.user,
            **({"Labels": dict(config.labels)} if config.labels else {}),
        },
        "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
    }
    return json.dumps(document, separators=(",", ":"))


def read_config(text: str) -> ImageConfig:
    whole = json.loads(text)
    document = whole["config"]
    return ImageConfig(
        command=tuple(document["Cmd"]),
        entrypoint=tuple(document["Entrypoint"]),
        environment=dict(pair.split("=", 1) for pair in document["Env"]),
        exposed_ports=tuple(int(port.split("/")[0]) for port in document["ExposedPorts"]),
        working_directory=document["WorkingDir"],
        user=document["User"],
        architecture=whole["architecture"],
        labels=document.get("Labels", {}),
    )


def digest_of(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def store(directory: Path, root: Path) -> tuple[str, str]:
    """Copy an app's folder into the image store below ``root``; answer its manifest and that manifest's digest."""
    dockerfile = directory / "Dockerfile"
    if not dockerfile.is_file():
        raise ImageError(f"{directory} has no Dockerfile, so nothing says how to start it; write one with a CMD.")
    config = read_dockerfile(dockerfile.read_text(encoding="utf-8"))
    if not config.command and not config.entrypoint:
        raise ImageError(f"{dockerfile} has neither CMD nor ENTRYPOINT; say there what to start.")
    files = files_of(directory)
    layer_digest, layer_size = _layer(directory, files)
    config_text = _config_json(config, layer_digest)
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "size": len(config_text), "digest": digest_of(config_text)},
            "layers": [{"mediaType": LAYER_TYPE, "size": layer_size, "digest": layer_digest}],
        },
        separators=(",", ":"),
    )
    digest = digest_of(manifest)
    place = root / digest.removeprefix("sha256:")
    if place.is_dir():
        return manifest, digest
    root.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=root))
    try:
        building.chmod(0o755)
        for path in files:
            copy = building / "rootfs" / path.relative_to(directory)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy, follow_symlinks=False)
        (building / "config.json").write_text(config_text, encoding="utf-8")
        (building / "manifest.json").write_text(manifest, encoding="utf-8")
        building.rename(place)  # whole or not at all
    except OSError as error:
        shutil.rmtree(building, ignore_errors=True)
        if not place.is_dir():  # another push of the same content may have been quicker
            raise ImageError(f"Could not copy {directory} into the image store {root}: {error}.") from error
    return manifest, digest


def image_root(state: Path) -> Path:
    """Where the images of a state folder lie."""
    return state / "images"


def push(
    client: Any,
    state: Path,
    directory: Path,
    repository: str,
    tag: str | None = None,
    *,
    say: Callable[[str], None] = lambda _line: None,
) -> Pushed:
    """Push an app's folder as ``repository:tag``: into the store of this state folder, then to ECR by PutImage.

    ``client`` is a boto3 ECR client that points at the cloud. A tag that already names the same digest is fine;
    one that names another raises what ECR answers (``ImageTagAlreadyExistsException`` where tags are immutable).
    Without a tag, one is made of the content.
    """
    manifest, digest = store(directory, image_root(state))
    tag = tag or f"content-{digest.removeprefix('sha256:')[:12]}"
    found = client.describe_repositories(repositoryNames=[repository])["repositories"][0]
    already = False
    try:
        client.put_image(
            repositoryName=repository, imageManifest=manifest, imageManifestMediaType=MANIFEST_TYPE, imageTag=tag
        )
    except client.exceptions.ImageAlreadyExistsException:
        already = True
    say(f"{tag}: digest: {digest} size: {len(manifest)}")
    return Pushed(repository, tag, digest, f"{found['repositoryUri']}@{digest}", already)


REFERENCE = re.compile(
    r"^(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/(?P<repository>[^:@]+)"
    r"(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?$"
)
