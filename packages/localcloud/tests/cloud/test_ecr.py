"""Images: equal content has an equal digest, a digest is the manifest's hash, tags behave as the repository says."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from botocore.exceptions import ClientError

from localcloud.core.cloud import Cloud
from localcloud.core.images import ImageConfig, ImageError
from localcloud.services.ecr import images as ecr
from localcloud.services.ecr.component import Images
from localcloud.services.ecr.images import read_dockerfile
from support.ecs_cluster import SERVER, WAITER, app

PROFILE = "minimal"

Clients = Callable[..., Any]


def test_a_dockerfile_says_how_its_last_stage_starts() -> None:
    text = """
# syntax=docker/dockerfile:1
FROM node:22 AS build
ENV LEFT=behind
CMD ["npm", "run", "build"]
FROM python:3.11-slim
WORKDIR /srv
WORKDIR app
ENV HOST=0.0.0.0 PORT=8000 \\
    NAME="two words"
ENV LEGACY old style
EXPOSE 8000/tcp 9000
USER 10001:10001
ENTRYPOINT ["python", "-m"]
CMD ["app"]
"""
    assert read_dockerfile(text) == ImageConfig(
        command=("app",),
        entrypoint=("python", "-m"),
        environment={"HOST": "0.0.0.0", "PORT": "8000", "NAME": "two words", "LEGACY": "old style"},
        exposed_ports=(8000, 9000),
        working_directory="/srv/app",
        user="10001:10001",
    )


def test_the_shell_form_runs_in_a_shell() -> None:
    assert read_dockerfile("FROM x\nCMD echo hello && sleep 1").command == ("/bin/sh", "-c", "echo hello && sleep 1")


@pytest.mark.parametrize(
    ("stages", "architecture"),
    [
        ("FROM x", "amd64"),
        ("FROM --platform=linux/arm64/v8 x", "arm64"),
        ("FROM --platform=aarch64 x AS built", "arm64"),
        ("FROM --platform=linux/x86_64 x", "amd64"),
        ("FROM --platform=linux x", "amd64"),
        ("FROM --platform=$BUILDPLATFORM x", "amd64"),
        ("FROM --platform=linux/arm64 x AS build\nFROM y", "amd64"),
        ("FROM --platform=linux/arm64 x AS Base\nFROM base", "arm64"),
    ],
)
def test_an_image_is_for_the_processor_that_its_dockerfile_names(stages: str, architecture: str) -> None:
    assert read_dockerfile(f"{stages}\nCMD true").architecture == architecture


def test_equal_content_is_an_equal_digest_whatever_its_times_and_caches(tmp_path: Path) -> None:
    first, second = app(tmp_path / "first", SERVER), app(tmp_path / "second", SERVER)
    os.utime(second / "main.py", (1, 1))
    (second / "__pycache__").mkdir()
    (second / "__pycache__" / "main.cpython-311.pyc").write_bytes(b"stale")
    manifest, digest = ecr.store(first, tmp_path / "images")
    assert digest == f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"
    assert ecr.store(second, tmp_path / "images") == (manifest, digest)
    (second / "main.py").write_text(SERVER + "\n# changed")
    assert ecr.store(second, tmp_path / "images")[1] != digest


def test_a_folder_that_nothing_says_how_to_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="has no Dockerfile"):
        ecr.store(tmp_path, tmp_path / "images")
    (tmp_path / "Dockerfile").write_text("FROM python:3.11-slim\n")
    with pytest.raises(ImageError, match="neither CMD nor ENTRYPOINT"):
        ecr.store(tmp_path, tmp_path / "images")
    (tmp_path / "Dockerfile").write_text('FROM x\nCMD ["unclosed\n')
    with pytest.raises(ImageError, match="is not a JSON list"):
        ecr.store(tmp_path, tmp_path / "images")


@pytest.mark.cloud
def test_a_pushed_image_is_described_by_its_true_digest(cloud: Cloud, aws: Clients, tmp_path: Path) -> None:
    client, state = aws("ecr"), cloud.settings.state
    client.create_repository(repositoryName="shop/backend", imageTagMutability="IMMUTABLE")
    pushed = ecr.push(client, state, app(tmp_path / "one", SERVER), "shop/backend", "v1")
    assert pushed.uri.endswith(f".amazonaws.com/shop/backend@{pushed.digest}")

    answer = client.batch_get_image(repositoryName="shop/backend", imageIds=[{"imageTag": "v1"}])
    manifest = answer["images"][0]["imageManifest"]
    assert pushed.digest == f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"
    detail = client.describe_images(repositoryName="shop/backend")["imageDetails"][0]
    assert (detail["imageDigest"], detail["imageTags"]) == (pushed.digest, ["v1"])
    assert detail["imageSizeInBytes"] > 1000

    images = cloud.part(Images)
    assert (images.folder("shop/backend", "v1") / "main.py").read_text() == SERVER
    assert images.folder("shop/backend", pushed.digest) == images.folder("shop/backend", "v1")
    assert images.resolve(pushed.uri).config.command == ("python", "/app/main.py")

    again = ecr.push(client, state, app(tmp_path / "copy", SERVER), "shop/backend", "v1")
    assert (again.digest, again.already_there) == (pushed.digest, True)
    with pytest.raises(ClientError) as taken:
        ecr.push(client, state, app(tmp_path / "two", WAITER), "shop/backend", "v1")
    assert taken.value.response["Error"]["Code"] == "ImageTagAlreadyExistsException"
    second_tag = ecr.push(client, state, tmp_path / "one", "shop/backend", "v1.0")
    assert second_tag.digest == pushed.digest
    listed = client.list_images(repositoryName="shop/backend")["imageIds"]
    assert sorted(image["imageTag"] for image in listed) == ["v1", "v1.0"]


@pytest.mark.cloud
def test_a_mutable_tag_moves_and_leaves_the_older_image_untagged(cloud: Cloud, aws: Clients, tmp_path: Path) -> None:
    client, state = aws("ecr"), cloud.settings.state
    client.create_repository(repositoryName="loose")
    old = ecr.push(client, state, app(tmp_path / "one", SERVER), "loose", "latest")
    new = ecr.push(client, state, app(tmp_path / "two", WAITER), "loose", "latest")
    details = {
        d["imageDigest"]: d.get("imageTags") for d in client.describe_images(repositoryName="loose")["imageDetails"]
    }
    assert details == {old.digest: None, new.digest: ["latest"]}
    untagged = client.list_images(repositoryName="loose", filter={"tagStatus": "UNTAGGED"})["imageIds"]
    assert untagged == [{"imageDigest": old.digest}]
    with pytest.raises(ClientError) as unknown:
        client.describe_images(repositoryName="loose", imageIds=[{"imageTag": "never"}])
    assert unknown.value.response["Error"]["Code"] == "ImageNotFoundException"
    with pytest.raises(ClientError) as nowhere:
        client.describe_images(repositoryName="nowhere")
    assert nowhere.value.response["Error"]["Code"] == "RepositoryNotFoundException"


def fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return bytes(answer.read())


def refused(url: str) -> tuple[int, str]:
    with pytest.raises(HTTPError) as answer:
        fetched(url)
    return answer.value.code, answer.value.read().decode()


@pytest.mark.cloud
def test_configuration_and_layers_are_downloaded_at_an_address_for_an_hour(
    cloud: Cloud, aws: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, state = aws("ecr"), cloud.settings.state
    client.create_repository(repositoryName="tiny")
    folder = app(tmp_path / "one", SERVER)
    dockerfile = (folder / "Dockerfile").read_text()
    (folder / "Dockerfile").write_text(dockerfile.replace("FROM python", "FROM --platform=linux/arm64 python"))
    ecr.push(client, state, folder, "tiny", "v1")
    answer = client.batch_get_image(repositoryName="tiny", imageIds=[{"imageTag": "v1"}])
    manifest = json.loads(answer["images"][0]["imageManifest"])

    def address(digest: str) -> str:
        provided = client.get_download_url_for_layer(repositoryName="tiny", layerDigest=digest)
        assert provided["layerDigest"] == digest
        return str(provided["downloadUrl"])

    for part in (manifest["config"], *manifest["layers"]):
        content = fetched(address(part["digest"]))
        assert (f"sha256:{hashlib.sha256(content).hexdigest()}", len(content)) == (part["digest"], part["size"])
    assert json.loads(fetched(address(manifest["config"]["digest"])))["architecture"] == "arm64"
    with tarfile.open(fileobj=io.BytesIO(fetched(address(manifest["layers"][0]["digest"])))) as layer:
        assert sorted(layer.getnames()) == ["Dockerfile", "main.py"]

    url = address(manifest["config"]["digest"])
    assert refused(url.replace("3600", "9999"))[0] == 403
    assert refused(url.partition("?")[0])[0] == 403
    later = cloud.now() + timedelta(hours=1, seconds=1)
    monkeypatch.setattr(Cloud, "now", lambda _: later)
    status, message = refused(url)
    assert status == 403
    assert "<Message>Request has expired</Message>" in message


@pytest.mark.cloud
def test_a_layer_that_can_not_be_had_is_refused_as_in_aws(cloud: Cloud, aws: Clients, tmp_path: Path) -> None:
    client = aws("ecr")
    for name in ("tiny", "other"):
        client.create_repository(repositoryName=name)
    pushed = ecr.push(client, cloud.settings.state, app(tmp_path / "one", SERVER), "tiny", "v1")
    answer = client.batch_get_image(repositoryName="tiny", imageIds=[{"imageTag": "v1"}])
    configuration = json.loads(answer["images"][0]["imageManifest"])["config"]["digest"]

    def code(repository: str, digest: str) -> str:
        with pytest.raises(ClientError) as refusal:
            client.get_download_url_for_layer(repositoryName=repository, layerDigest=digest)
        return str(refusal.value.response["Error"]["Code"])

    assert code("nowhere", configuration) == "RepositoryNotFoundException"
    assert code("tiny", "sha256") == "InvalidParameterException"
    assert code("tiny", pushed.digest) == "LayersNotFoundException"
    assert code("other", configuration) == "LayersNotFoundException"
    client.batch_delete_image(repositoryName="tiny", imageIds=[{"imageDigest": pushed.digest}])
    assert code("tiny", configuration) == "LayerInaccessibleException"
