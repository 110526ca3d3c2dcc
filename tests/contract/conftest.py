"""Terraform's copy of the infrastructure, and what its roots come to: each is made once for all tests that ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contract.terraform_support import Applied, Workshop
from support.provider import running_provider


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    with running_provider() as environment:
        yield Workshop(tmp_path_factory.mktemp("terraform"), environment)


@pytest.fixture(scope="session")
def staging(workshop: Workshop) -> Applied:
    return workshop.apply("staging")


@pytest.fixture(scope="session")
def production(workshop: Workshop) -> Applied:
    return workshop.apply("production")


@pytest.fixture(scope="session")
def rehearsal(workshop: Workshop) -> Applied:
    return workshop.apply("staging", "local.tfvars")
