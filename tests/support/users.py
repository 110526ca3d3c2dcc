"""People who use the application while something is done to it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from support.stack import Stack

REQUESTS = (("GET", "/api/v1/status"), ("GET", "/api/v1/prices"), ("POST", "/api/v1/portfolio"))


@contextmanager
def users(stack: Stack) -> Iterator[Counter[str]]:
    """Requests that read and write, one after the other, until the context ends: how each was answered."""
    answers: Counter[str] = Counter()
    ended = threading.Event()

    def use() -> None:
        with httpx.Client(base_url=stack.url, timeout=60) as client:
            while not ended.is_set():
                for method, path in REQUESTS:
                    try:
                        answer = client.request(method, path)
                        # The status is always 200; what it says of the database is what matters.
                        unavailable = path.endswith("status") and answer.json()["database"] != "available"
                        answers["no database" if unavailable else str(answer.status_code)] += 1
                    except httpx.HTTPError as error:
                        answers[repr(error)] += 1
                ended.wait(0.2)  # forty requests a second; without it they take a processor for themselves

    threads = [threading.Thread(target=use) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        ended.set()
        for thread in threads:
            thread.join()
