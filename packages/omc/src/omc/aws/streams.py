"""Answers that come as a stream of events: their errors come after the call, and are put into plain words here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from omc.errors import Unreachable


def events_in(stream: Any, what: str) -> Iterator[Mapping[str, Any]]:
    """The events of a stream until it ends; it is closed then, and when nobody wants more.

    Raises ``Unreachable`` where it breaks off, by an error that AWS sends in it or by the network.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from urllib3.exceptions import HTTPError

    try:
        yield from stream
    except (BotoCoreError, ClientError, HTTPError, OSError) as error:
        raise Unreachable(f"{what} broke off: {str(error).strip().rstrip('.')}.") from error
    finally:
        stream.close()
