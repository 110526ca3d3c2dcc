"""botocore's service models, loaded in a third of botocore's own time. A command's wall time is mostly this.

Two things are left out of what botocore does: ordered dictionaries, since every dictionary keeps its order; and the
listing of all four hundred services' folders, which botocore does to word an error.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from botocore.loaders import JSONFileLoader, Loader

from omc.aws.reads import SERVICES

CREDENTIAL_SERVICES = frozenset({"sso", "sso-oidc", "signin", "sts"})
"""What botocore asks for credentials: Identity Center's portal, a new token of it, ``aws login``, roles."""


class PlainFiles(JSONFileLoader):
    """Model files as plain dictionaries."""

    def load_file(self, file_path: str) -> Any:
        """The file's content, zipped or not; None where there is neither, as botocore expects."""
        if Path(file_path + ".json").is_file():
            return json.loads(Path(file_path + ".json").read_bytes())
        if Path(file_path + ".json.gz").is_file():
            return json.loads(gzip.decompress(Path(file_path + ".json.gz").read_bytes()))
        return None


class ModelLoader(Loader):
    """Knows the services that omc uses, without looking for the others."""

    FILE_LOADER_CLASS = PlainFiles

    def __init__(self, services: Iterable[str] = SERVICES) -> None:
        super().__init__()
        self._services = sorted(services)

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002
        return self._services
