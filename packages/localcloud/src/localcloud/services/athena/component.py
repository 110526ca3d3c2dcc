"""Queries from their start to their end, each in a process that ends with it. They are forgotten with the cloud."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.core.processes import Process, Supervisor
from localcloud.core.registry import component
from localcloud.services.athena.tables import Table

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

LEAST_BILLED = 10_000_000
"""Athena bills ten megabytes of a query at least; what it says it scanned is less."""


@dataclass(slots=True)
class Execution:
    """One query."""

    identity: str
    sql: str
    database: str
    workgroup: str
    submitted: datetime
    state: str = "QUEUED"
    reason: str = ""
    completed: datetime | None = None
    scanned: int = 0
    columns: list[tuple[str, str]] = field(default_factory=list)
    rows: list[list[str | None]] = field(default_factory=list)
    process: Process | None = None

    @property
    def is_over(self) -> bool:
        return self.state in ("SUCCEEDED", "FAILED", "CANCELLED")


@component()
class Athena:
    """The queries of this life of the cloud."""

    name = "athena"

    def __init__(self, state: Path) -> None:
        self._folder = state / "athena"
        self._lock = threading.Lock()
        self._executions: dict[str, Execution] = {}
        self._cloud: Cloud | None = None

    def start(self, cloud: Cloud) -> None:
        self._cloud = cloud
        shutil.rmtree(self._folder, ignore_errors=True)

    def dump(self) -> object:
        """Queries are no state."""
        return None

    def load(self, state: Any) -> None:
        """Nothing to take back."""

    def stop(self) -> None:
        """End what still runs."""
        for each in list(self._executions.values()):
            self.cancel(each)

    def find(self, identity: str) -> Execution | None:
        return self._executions.get(identity)

    def begin(self, sql: str, database: str, workgroup: str, tables: Sequence[Table], cutoff: int | None) -> Execution:
        """Write the tables' files down and have the worker begin."""
        found = Execution(str(uuid.uuid4()), sql, database, workgroup, datetime.now(UTC))
        found.scanned = sum(len(file.data) for table in tables for file in table.files)
        self._executions[found.identity] = found
        if cutoff is not None and found.scanned > cutoff:
            self._end(found, "CANCELLED", "Bytes scanned limit was exceeded")
            return found
        threading.Thread(target=self._run, args=(found, tables), name="athena", daemon=True).start()
        return found

    def cancel(self, execution: Execution) -> None:
        """Stop it, unless it has ended."""
        with self._lock:
            process = None if execution.is_over else execution.process
            self._end(execution, "CANCELLED", "Query cancelled by user")
        if process is not None and self._cloud is not None:
            self._cloud.part(Supervisor).end(process, grace=1.0)

    def _run(self, execution: Execution, tables: Sequence[Table]) -> None:
        folder = self._folder / execution.identity
        try:
            self._write(folder, execution, tables)
            assert self._cloud is not None  # noqa: S101 - a component is started before it is asked
            environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}
            arguments = [sys.executable, "-m", "localcloud.services.athena.worker", str(folder)]
            with self._lock:
                if execution.is_over:
                    return
                execution.process = self._cloud.part(Supervisor).spawn(
                    "athena", arguments, env=environment, cwd=folder, output=folder / "worker.log"
                )
                execution.state = "RUNNING"
            while execution.process.poll() is None:
                time.sleep(0.02)
            self._read(folder, execution)
        except OSError as error:
            self._end(execution, "FAILED", f"localcloud's worker could not run: {error}")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _write(self, folder: Path, execution: Execution, tables: Sequence[Table]) -> None:
        folder.mkdir(parents=True)
        written = []
        for at, table in enumerate(tables):
            files = []
            for number, file in enumerate(table.files):
                path = folder / f"{at}-{number}"
                path.write_bytes(file.data)
                compression = "gzip" if file.data[:2] == b"\x1f\x8b" else "none"
                files.append({"path": str(path), "partitions": dict(file.partitions), "compression": compression})
            written.append(
                {
                    "name": table.name,
                    "columns": table.columns,
                    "partitions": table.partitions,
                    "regex": table.regex,
                    "files": files,
                }
            )
        (folder / "query.json").write_text(json.dumps({"sql": execution.sql, "tables": written}))

    def _read(self, folder: Path, execution: Execution) -> None:
        answer = folder / "answer.json"
        payload: dict[str, Any] = (
            json.loads(answer.read_text()) if answer.exists() else {"error": "the worker ended without an answer"}
        )
        if "error" in payload:
            self._end(execution, "FAILED", payload["error"])
            return
        execution.columns = [(name, kind) for name, kind in payload["columns"]]
        execution.rows = payload["rows"]
        self._end(execution, "SUCCEEDED", "")

    def _end(self, execution: Execution, state: str, reason: str) -> None:
        if not execution.is_over:
            execution.reason, execution.completed = reason, datetime.now(UTC)
            execution.state = state
