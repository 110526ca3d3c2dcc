"""Whether the registry has what the revisions name: asked of the right registry, once a repository, and of no other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from localcloud.core.registry import AwsError
from omc.aws.gateway import Access, Gateway
from omc.config import load
from omc.facts.definitions import Definition
from omc.facts.images import account_of
from omc.facts.standing_images import missing_images
from support import release_facts as example
from support.canned_aws import canned_aws

STAGING = load(Path(__file__).parents[4] / "omc.toml").environments["staging"]
ECR = "123456789012.dkr.ecr.ap-southeast-2.amazonaws.com"
A, B = example.digest("a"), example.digest("b")


@pytest.mark.parametrize(
    ("registry", "region", "account"),
    [
        (ECR, "", "123456789012"),
        (ECR, "ap-southeast-2", "123456789012"),
        (ECR, "us-east-1", ""),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1", "123456789012"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1", "123456789012"),
        ("123456789012.dkr-ecr.eu-west-1.on.aws", "eu-west-1", "123456789012"),
        ("123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1", "123456789012"),
        ("public.ecr.aws", "", ""),
        ("docker.io", "", ""),
        ("ghcr.io", "", ""),
        ("", "", ""),
        ("12345.dkr.ecr.ap-southeast-2.amazonaws.com", "", ""),
        ("registry.example.com", "ap-southeast-2", ""),
        (f"{ECR}.example.com/x", "", ""),
    ],
)
def test_which_registries_are_an_accounts_ecr(registry: str, region: str, account: str) -> None:
    assert account_of(registry, region) == account


def revision(*images: str) -> Definition:
    body = {"containerDefinitions": [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]}
    return replace(example.definition("backend", 7, "a"), body=body)


def ask(*images: str, there: Mapping[str, tuple[str, ...]]) -> tuple[dict[str, str], list[Any]]:
    """(problems, what was asked), of an ECR that holds these digests and tags by repository."""
    requested: list[Any] = []

    def batch(params: Mapping[str, Any]) -> Mapping[str, Any]:
        requested.append((params["registryId"], params["repositoryName"], params["imageIds"]))
        if params["repositoryName"] not in there:
            raise AwsError("RepositoryNotFoundException", "no such repository", 400)
        known = there[params["repositoryName"]]
        found = [each for each in params["imageIds"] if set(each.values()) & set(known)]
        return {"images": [{"imageId": each} for each in found], "failures": []}

    with canned_aws({("ecr", "BatchGetImage"): batch}) as aws:
        gateway = Gateway(STAGING, Access(aws.endpoint, "AKIAEXAMPLE", "example"))
        return missing_images(gateway, STAGING, [revision(*images)]), requested


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (f"{ECR}/shop/web@{A}", ""),
        (f"{ECR}/shop/web@{B}", f"The image shop/web@{B[:19]} is no longer in the registry."),
        (f"{ECR}/shop/web:v1", ""),
        (f"{ECR}/shop/web:v2", "The image shop/web:v2 is no longer in the registry."),
        (f"{ECR}/shop/web", "The image shop/web:latest is no longer in the registry."),
        (f"{ECR}/shop/web:v9@{A}", ""),
        (f"{ECR}/shop/api@{A}", "The repository shop/api does not exist."),
        (f"{ECR}/shop/api:v1", "The repository shop/api does not exist."),
        (f"public.ecr.aws/docker/library/redis@{B}", ""),
        ("redis:7", ""),
        (f"ghcr.io/shop/web@{B}", ""),
        (f"123456789012.dkr.ecr.us-east-1.amazonaws.com/shop/web@{B}", ""),
    ],
)
def test_what_is_missing_is_reported_and_of_other_registries_nothing(image: str, problem: str) -> None:
    problems, requested = ask(image, there={"shop/web": (A, "v1")})
    assert problems == ({image: problem} if problem else {})
    assert bool(requested) is image.startswith(ECR)


def test_each_repository_is_asked_once_in_its_own_account() -> None:
    other = ECR.replace("123456789012", "999999999999")
    images = [f"{ECR}/shop/web@{A}", f"{ECR}/shop/web@{B}", f"{ECR}/shop/web:v1", f"{other}/shop/web@{A}"]
    problems, requested = ask(*images, *images, there={"shop/web": (A, B, "v1")})
    assert problems == {}
    assert sorted((account, repository, len(ids)) for account, repository, ids in requested) == [
        ("123456789012", "shop/web", 3),
        ("999999999999", "shop/web", 1),
    ]


def test_more_than_a_call_takes_are_asked_in_several() -> None:
    images = [f"{ECR}/shop/web:v{number}" for number in range(230)]
    problems, requested = ask(*images, there={"shop/web": tuple(f"v{number}" for number in range(229))})
    assert list(problems) == [images[-1]]
    assert sorted(len(ids) for _, _, ids in requested) == [30, 100, 100]
