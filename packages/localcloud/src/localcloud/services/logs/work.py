"""The server's end of the worker process: starts it when it is first needed, and gives each request its answer."""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from typing import Any

from localcloud.core.processes import Process, Supervisor

log = logging.getLogger(__name__)

PATIENCE = 60.0
"""Seconds that a scan or a sealing may take; queries have no limit but their own."""


class WorkFailed(RuntimeError):
    """The worker could not do it, or ended. The message is its own."""


class WorkerProcess:
    """One worker process at most. Every method may be called from any thread."""

    def __init__(self, folder: Path, supervisor: Callable[[], Supervisor]) -> None:
        self._folder = folder
        self._supervisor = supervisor
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._process: Process | None = None
        self._channel: socket.socket | None = None
        self._waiting: dict[int, Future[dict[str, Any]]] = {}
        self._number = 0
        self._closed = False

    def submit(self, request: Mapping[str, Any]) -> tuple[int, Future[dict[str, Any]]]:
        """Send a request; its number (to interrupt it by) and where its answer will be."""
        future: Future[dict[str, Any]] = Future()
        with self._lock:
            if self._closed:
                raise WorkFailed("the log store is closed")
            channel = self._started()
            self._number += 1
            number = self._number
            self._waiting[number] = future
        try:
            with self._sending:
                channel.sendall(json.dumps({**request, "id": number}).encode() + b"\n")
        except OSError as error:
            self._lost(channel, str(error))
        return number, future

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request and wait for its result. ``WorkFailed`` where there is none."""
        _, future = self.submit(request)
        try:
            return future.result(PATIENCE)
        except FutureTimeoutError as error:
            raise WorkFailed(f"no answer after {PATIENCE:.0f} s") from error

    def interrupt(self, number: int) -> None:
        """Stop a running request; it then fails."""
        with self._lock:
            channel = self._channel
        if channel is not None:
            try:
                with self._sending:
                    channel.sendall(json.dumps({"do": "interrupt", "of": number, "id": 0}).encode() + b"\n")
            except OSError as error:
                self._lost(channel, str(error))

    def close(self) -> None:
        """End the worker. What still waits fails."""
        with self._lock:
            self._closed = True
            process, channel = self._process, self._channel
            self._process = self._channel = None
        if channel is not None:
            self._lost(channel, "the cloud goes down")
        if process is not None:
            self._supervisor().end(process, grace=2.0)

    def _started(self) -> socket.socket:
        """The channel to the worker, started if there is none. Under the lock."""
        if self._channel is not None and self._process is not None and self._process.poll() is None:
            return self._channel
        ours, theirs = socket.socketpair()
        environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME", "LANG") if name in os.environ}
        try:
            # The supervisor gives a process one descriptor, its output. A socket is good for both directions.
            self._process = self._supervisor().spawn(
                "logs-worker",
                [
                    sys.executable,
                    "-m",
                    "localcloud.services.logs.worker",
                    str(self._folder / "worker.log"),
                    str(self._folder / "spill"),
                ],
                env=environment,
                cwd=self._folder,
                output=theirs.fileno(),
            )
        except OSError as error:
            ours.close()
            raise WorkFailed(f"the log store's worker process did not start: {error}") from error
        finally:
            theirs.close()
        self._channel = ours
        threading.Thread(target=self._listen, args=(ours,), name="logs-worker", daemon=True).start()
        return ours

    def _listen(self, channel: socket.socket) -> None:
        reason = "the worker process ended"
        try:
            with channel.makefile("rb") as lines:
                for line in lines:
                    try:
                        answer = json.loads(line)
                    except ValueError:
                        reason = line.decode(errors="replace").strip()  # an interpreter that could not start says why
                        continue
                    with self._lock:
                        future = self._waiting.pop(answer["id"], None)
                    if future is None:
                        continue
                    if "error" in answer:
                        future.set_exception(WorkFailed(answer["error"]))
                    else:
                        future.set_result(answer)
        except OSError as error:
            reason = str(error)
        self._lost(channel, reason)

    def _lost(self, channel: socket.socket, reason: str) -> None:
        """The worker is gone: everything that waits for it fails, and the next request starts another."""
        with self._lock:
            if self._channel is channel:
                self._channel = None
            lost, self._waiting = self._waiting, {}
        if lost and not self._closed:
            log.warning("the log store's worker process ended with %d requests open: %s", len(lost), reason)
        for future in lost.values():
            if not future.done():
                future.set_exception(WorkFailed(f"the log store's worker process ended: {reason}"))
        # The listener notices the end of the socket by itself; a shutdown wakes it.
        try:
            channel.shutdown(socket.SHUT_RDWR)
        except OSError:
            channel.close()
