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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.core import paging
from localcloud.core.images import Image, ImageConfig, ImageError, ImageStore
from localcloud.core.registry import Answer, AwsError, Call, component, operation, patch_response

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

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


def _read_config(text: str) -> ImageConfig:
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


@component(order=40)
class Images(ImageStore):
    """From a repository and a tag or digest to the folder of that image. All of its state is ECR's and the disk's."""

    name = "images"

    def __init__(self) -> None:
        self._cloud: Cloud | None = None

    def start(self, cloud: Cloud) -> None:
        self._cloud = cloud
        root = image_root(cloud.settings.state)
        if root.is_dir():
            for leftover in root.glob(".building-*"):
                shutil.rmtree(leftover, ignore_errors=True)

    def dump(self) -> object:
        return None

    def load(self, state: Any) -> None:
        """Nothing: what was pushed lies on disk, and moto's records come back with moto."""

    def stop(self) -> None:
        """Nothing runs."""

    def folder(self, repository: str, reference: str) -> Path:
        """The unpacked folder of ``repository`` at a tag or ``sha256:…`` digest."""
        return self.find(repository, reference).folder

    def find(self, repository: str, reference: str) -> Image:
        """The image that a repository's tag or digest names; ``ImageError`` where there is none."""
        cloud = self._require_cloud()
        with cloud.lock:
            repositories = cloud.moto("ecr").repositories
            if repository not in repositories:
                raise ImageError(f"repository {repository} does not exist")
            digest = next(
                (
                    image.get_image_digest()
                    for image in repositories[repository].images
                    if reference in image.image_tags or reference == image.get_image_digest()
                ),
                None,
            )
        if digest is None:
            raise ImageError(f"{reference} not found in repository {repository}")
        return self._open(digest)

    def resolve(self, image: str) -> Image:
        """The image that a container definition names; ``ImageError`` in the words of a failed pull."""
        match = REFERENCE.match(image)
        settings = self._require_cloud().settings
        if match is None or (match["account"], match["region"]) != (settings.account, settings.region):
            raise ImageError(f"failed to resolve ref {image}: only images of this account's ECR can be pulled here")
        try:
            return self.find(match["repository"], match["digest"] or match["tag"] or "latest")
        except ImageError as error:
            raise ImageError(f"failed to resolve ref {image}: {image}: not found") from error

    def place(self, digest: str) -> Path:
        """Where an image's ``config.json``, ``manifest.json`` and ``rootfs`` lie, if it is in the store."""
        return image_root(self._require_cloud().settings.state) / digest.removeprefix("sha256:")

    def _open(self, digest: str) -> Image:
        place = self.place(digest)
        try:
            config = _read_config((place / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError) as error:
            raise ImageError(f"{digest} is registered, but its content was never pushed to this cloud") from error
        return Image(digest, place / "rootfs", config)

    def _require_cloud(self) -> Cloud:
        if self._cloud is None:
            raise RuntimeError("Images was used before it was started")
        return self._cloud


# --- the API


def repository_of(cloud: Cloud, name: str) -> Any:
    repository = cloud.moto("ecr").repositories.get(name)
    if repository is None:
        raise AwsError(
            "RepositoryNotFoundException",
            f"The repository with name '{name}' does not exist in the registry with id '{cloud.settings.account}'",
        )
    return repository


@operation("ecr", "PutImage")
def put_image(cloud: Cloud, call: Call) -> Answer:
    """A manifest's digest is the hash of its bytes; an immutable repository refuses to move a tag."""
    name, manifest, tag = call.params["repositoryName"], call.params["imageManifest"], call.params.get("imageTag")
    repository = repository_of(cloud, name)
    try:
        media_type = call.params.get("imageManifestMediaType") or json.loads(manifest)["mediaType"]
    except (ValueError, KeyError, TypeError):
        raise AwsError(
            "InvalidParameterException",
            "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'",
        ) from None
    digest = digest_of(manifest)
    if call.params.get("imageDigest", digest) != digest:
        raise AwsError(
            "ImageDigestDoesNotMatchException",
            f"The specified image digest '{call.params['imageDigest']}' does not match the digest of the image "
            f"manifest '{digest}'",
        )
    tagged = next((image for image in repository.images if tag and tag in image.image_tags), None)
    known = next((image for image in repository.images if image.get_image_digest() == digest), None)
    if known is not None and (tag is None or tagged is known):
        raise AwsError(
            "ImageAlreadyExistsException",
            f"Image with digest '{digest}' and tag '{tag}' already exists in the repository with name '{name}' in "
            f"registry with id '{cloud.settings.account}'",
        )
    if tagged is not None and repository.is_tag_immutable():
        raise AwsError(
            "ImageTagAlreadyExistsException",
            f"The image tag '{tag}' already exists in the '{name}' repository and cannot be overwritten because the "
            "repository is immutable.",
        )
    if tagged is not None:
        tagged.remove_tag(tag)
    if known is None:
        from moto.ecr.models import Image as MotoImage

        known = MotoImage(cloud.settings.account, tag, manifest, name, media_type, digest)
        repository.images.append(known)
    else:
        known.update_tag(tag)
    cloud.touch()
    return {"image": _image(cloud, known, tag)}


def _image(cloud: Cloud, image: Any, tag: str | None) -> dict[str, Any]:
    identity = {"imageDigest": image.get_image_digest()} | ({"imageTag": tag} if tag else {})
    return {
        "registryId": cloud.settings.account,
        "repositoryName": image.repository_name,
        "imageId": identity,
        "imageManifest": image.image_manifest,
        "imageManifestMediaType": image.image_manifest_media_type,
    }


def _detail(cloud: Cloud, image: Any) -> dict[str, Any]:
    manifest = json.loads(image.image_manifest)
    size = sum(layer.get("size", 0) for layer in manifest.get("layers", []))
    detail: dict[str, Any] = {
        "registryId": cloud.settings.account,
        "repositoryName": image.repository_name,
        "imageDigest": image.get_image_digest(),
        "imageSizeInBytes": size + manifest.get("config", {}).get("size", 0),
        "imagePushedAt": datetime.fromtimestamp(image.image_pushed_at, UTC),
        "imageManifestMediaType": image.image_manifest_media_type,
        "artifactMediaType": manifest.get("config", {}).get("mediaType", CONFIG_TYPE),
    }
    if image.image_tags:
        detail["imageTags"] = list(image.image_tags)
    return detail


def _chosen(repository: Any, identity: Mapping[str, str]) -> Any | None:
    tag, digest = identity.get("imageTag"), identity.get("imageDigest")
    for image in repository.images:
        if (not tag or tag in image.image_tags) and (not digest or digest == image.get_image_digest()):
            return image
    return None


def _page(items: list[Any], params: Mapping[str, Any], default: int) -> tuple[list[Any], dict[str, str]]:
    refused = AwsError("InvalidParameterException", "Invalid parameter at 'nextToken': no page ended with this token.")
    shown, following = paging.page(items, params.get("nextToken"), int(params.get("maxResults") or default), refused)
    return shown, {"nextToken": following} if following else {}


def _filtered(repository: Any, params: Mapping[str, Any]) -> list[Any]:
    status = params.get("filter", {}).get("tagStatus", "ANY")
    return [image for image in repository.images if status == "ANY" or bool(image.image_tags) == (status == "TAGGED")]


@operation("ecr", "DescribeImages")
def describe_images(cloud: Cloud, call: Call) -> Answer:
    """Sizes from the manifest, a stable order, pages; one unknown image is an error of the whole call."""
    repository = repository_of(cloud, call.params["repositoryName"])
    if call.params.get("imageIds"):
        details = []
        for identity in call.params["imageIds"]:
            image = _chosen(repository, identity)
            if image is None:
                digest, tag = identity.get("imageDigest", "null"), identity.get("imageTag", "null")
                raise AwsError(
                    "ImageNotFoundException",
                    f"The image with imageId {{imageDigest:'{digest}', imageTag:'{tag}'}} does not exist within "
                    f"the repository with name '{repository.name}' in the registry with id '{cloud.settings.account}'",
                )
            details.append(_detail(cloud, image))
        return {"imageDetails": details}
    images, more = _page(_filtered(repository, call.params), call.params, 100)
    return {"imageDetails": [_detail(cloud, image) for image in images], **more}


@operation("ecr", "ListImages")
def list_images(cloud: Cloud, call: Call) -> Answer:
    """One entry a tag; an untagged image has an entry with its digest alone."""
    repository = repository_of(cloud, call.params["repositoryName"])
    identities = [
        {"imageDigest": image.get_image_digest()} | ({"imageTag": tag} if tag else {})
        for image in _filtered(repository, call.params)
        for tag in image.image_tags or [None]
    ]
    page, more = _page(identities, call.params, 100)
    return {"imageIds": page, **more}


@operation("ecr", "BatchGetImage")
def batch_get_image(cloud: Cloud, call: Call) -> Answer:
    """Manifests of the images found; the others are failures, not an error."""
    repository = repository_of(cloud, call.params["repositoryName"])
    images, failures = [], []
    for identity in call.params["imageIds"]:
        image = _chosen(repository, identity)
        if image is None:
            failures.append(
                {"imageId": identity, "failureCode": "ImageNotFound", "failureReason": "Requested image not found"}
            )
        else:
            images.append(_image(cloud, image, identity.get("imageTag")))
    return {"images": images, "failures": failures}


@patch_response("ecr", "GetAuthorizationToken")
def get_authorization_token(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
    """Tokens are good for 12 hours; moto's ran out in 2015."""
    for data in answer.get("authorizationData", []):
        data["expiresAt"] = call.at + timedelta(hours=12)
    return answer
