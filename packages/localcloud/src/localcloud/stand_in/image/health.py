"""A container's health check: ends with 0 while the stand-in isn't told to be unhealthy."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path

release = json.loads(Path(__file__).with_name("release.json").read_text())
wrong = os.environ.get("STAND_IN_FAIL") or release["fail"]
with suppress(KeyError, OSError):
    wrong = Path(os.environ["STAND_IN_CONTROL"]).read_text().strip()
sys.exit(1 if wrong == "unhealthy" else 0)
