"""Terraform's copy of the infrastructure, and what its roots come to: each is made once for all tests that ask."""

from __future__ import annotations

import pytest

from contract.terraform_support import Applied, Workshop


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("terraform"))


@pytest.fixture(scope="session")
def staging(workshop: Workshop) -> Applied:
    return workshop.apply("staging")


@pytest.fixture(scope="session")
def production(workshop: Workshop) -> Applied:
    return workshop.apply("production")


@pytest.fixture(scope="session")
def rehearsal(workshop: Workshop) -> Applied:
    return workshop.apply("staging", "local.tfvars")
