"""For which processor an image was built: what its manifest says, what its configuration says, and why neither does."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from localcloud.core.registry import AwsError
from omc.aws.calls import recording
from omc.aws.gateway import Access, Gateway
from omc.aws.pages import get_blob
from omc.config import load
from omc.errors import Unreachable
from omc.facts.images import Image, Reference, architectures, configuration_of, find_image, processor_of
from support.canned_aws import Answer, CannedAws, canned_aws

STAGING = load(Path(__file__).parents[4] / "omc.toml").environments["staging"]
OCI, DOCKER = "application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"
PATH = "/layer"
ARM = json.dumps({"architecture": "arm64", "variant": "v8", "os": "linux"}).encode()


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def manifest(configuration: bytes = ARM, kind: str = OCI) -> str:
    return json.dumps({"schemaVersion": 2, "config": {"mediaType": kind, "digest": digest_of(configuration)}})


def index(*processors: str) -> str:
    return json.dumps({"manifests": [{"platform": {"architecture": processor}} for processor in processors]})


@contextmanager
def registry(message: str, configuration: tuple[int, bytes] = (200, ARM), link: Answer | None = None) -> Iterator[Any]:
    """An ECR with one image of this manifest; ``link``: what it answers for the configuration's address."""
    pages: dict[str, Any] = {}

    def address(params: Mapping[str, Any]) -> Mapping[str, Any]:
        url = f"{pages['aws'].endpoint}{PATH}?X-Amz-Signature=right-to-read"
        return {"downloadUrl": url, "layerDigest": params["layerDigest"]}

    answers: dict[tuple[str, str], Answer] = {
        ("ecr", "DescribeImages"): {"imageDetails": [{"imageDigest": digest_of(message.encode())}]},
        ("ecr", "BatchGetImage"): {"images": [{"imageManifest": message}]},
        ("ecr", "GetDownloadUrlForLayer"): link or address,
    }
    with canned_aws(answers) as aws:
        aws.pages[PATH] = configuration
        pages["aws"] = aws
        yield aws


def found(aws: CannedAws) -> Image:
    gateway = Gateway(STAGING, Access(aws.endpoint, "AKIAEXAMPLE", "example"))
    image = find_image(gateway, "registry", "ohmycoins/backend", Reference(tag="build-1"))
    assert image is not None
    return image


def test_an_index_tells_its_processors_without_those_of_attestations() -> None:
    assert architectures(index("arm64", "amd64", "unknown")) == ("amd64", "arm64")
    with registry(index("arm64", "unknown")) as aws:
        image = found(aws)
    assert (image.architectures, image.why_unknown) == (("arm64",), "")
    assert "GetDownloadUrlForLayer" not in aws.operations()


@pytest.mark.parametrize("kind", [OCI, DOCKER])
def test_the_configuration_of_a_single_image_tells_its_processor(kind: str) -> None:
    with registry(manifest(kind=kind)) as aws, recording() as calls:
        image = found(aws)
    assert (image.architectures, image.why_unknown) == (("arm64",), "")
    _, _, request = aws.requests[-1]
    assert request == {"repositoryName": "ohmycoins/backend", "layerDigest": digest_of(ARM)}
    assert aws.visits[0].query == "X-Amz-Signature=right-to-read"
    assert "Authorization" not in aws.visits[0].headers
    assert calls[-1].parameters["url"] == f"{aws.endpoint}{PATH}"
    assert "right-to-read" not in str(calls)


@pytest.mark.parametrize(
    "expected",
    [
        manifest(kind="application/vnd.cncf.helm.config.v1+json"),
        index("unknown"),
        '{"config": {}}',
        '{"config": "x"}',
        json.dumps({"config": {"mediaType": OCI, "digest": "sha256:short"}}),
        "[]",
        "cut off",
    ],
)
def test_of_what_is_no_image_nothing_is_asked_and_nothing_reported(expected: str) -> None:
    assert configuration_of(expected) == ""
    with registry(expected) as aws:
        image = found(aws)
    assert (image.architectures, image.why_unknown) == ((), "")
    assert aws.operations() == ["DescribeImages", "BatchGetImage"]


@pytest.mark.parametrize(
    "configuration", [b"{}", b'{"architecture": "unknown"}', b'{"architecture": 64}', b"[]", b"<html>", b"[" * 100_000]
)
def test_a_configuration_that_names_no_processor_is_said_to(configuration: bytes) -> None:
    assert processor_of(configuration) == ""
    with registry(manifest(configuration), (200, configuration)) as aws:
        image = found(aws)
    assert (image.architectures, image.why_unknown) == ((), "Its configuration names no processor.")


@pytest.mark.parametrize(
    ("link", "why"),
    [
        (
            AwsError("AccessDeniedException", "User: x is not authorized to perform: ecr:GetDownloadUrlForLayer"),
            "ecr GetDownloadUrlForLayer is not allowed: the credentials lack ecr:GetDownloadUrlForLayer.",
        ),
        (AwsError("LayersNotFoundException", "No such layer"), "was refused: LayersNotFoundException, No such layer."),
        ({"layerDigest": digest_of(ARM)}, "is not one over https, so it was not asked."),
        ({"downloadUrl": "http://192.0.2.1/layer"}, "is not one over https, so it was not asked."),
        ({"downloadUrl": "http://127.0.0.1:1/layer"}, "is not one over https, so it was not asked."),
        ({"downloadUrl": "file:///etc/hostname"}, "is not one over https, so it was not asked."),
        ({"downloadUrl": "https://127.0.0.1:port/layer"}, "is not one over https, so it was not asked."),
        ({"downloadUrl": "https://127.0.0.1:1/layer?a secret"}, "is not one over https, so it was not asked."),
        ({"downloadUrl": "https://127.0.0.1:1/läyer"}, "is not one over https, so it was not asked."),
        ({"downloadUrl": "https://127.0.0.1:1/layer?secret"}, "https://127.0.0.1:1/layer can't be reached"),
    ],
)
def test_without_an_address_the_processor_stays_unknown_and_why_is_reported(link: Answer, why: str) -> None:
    with registry(manifest(), link=link) as aws:
        image = found(aws)
    assert image.architectures == ()
    assert why in image.why_unknown
    assert aws.visits == []


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ((403, b"<Error/>"), f"{PATH} answered 403 Forbidden."),
        ((302, b""), f"{PATH} redirects to nowhere."),
        ((200, ARM + b" "), f"{PATH} answered something other than {digest_of(ARM)}."),
        ((200, b"x" * (1 << 20) + b"x"), f"{PATH} answered more than 1 MiB."),
    ],
)
def test_an_answer_that_is_not_the_configuration_tells_nothing(page: tuple[int, bytes], why: str) -> None:
    with registry(manifest(), page) as aws:
        image = found(aws)
    assert image.architectures == ()
    assert image.why_unknown.endswith(why)
    assert "right-to-read" not in image.why_unknown


def test_an_answer_that_never_ends_is_left() -> None:
    left = threading.Event()

    class Dripping(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            try:
                while not left.wait(0.02):
                    self.wfile.write(b"x")
            except OSError:
                left.set()

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Dripping) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        with pytest.raises(Unreachable, match=r"/layer can't be reached \(timed out\)"):
            get_blob(f"{endpoint}/layer", digest_of(ARM), endpoint, timeout=0.5)
        assert left.wait(30), "the connection is still open"
        server.shutdown()
