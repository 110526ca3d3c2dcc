"""An answer of what omc has to say: its data, or all of the document for a command that shows it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import Depends, Header, Query

from omc.api_client.documents import DOCUMENT_TYPE, to_wire
from omc.errors import Outdated
from omc.output.document import Document
from omc.responder.api.problems import MaskedJson
from omc.responder.api.shapes import Moment

DOCUMENT: dict[int | str, dict[str, Any]] = {
    200: {"content": {DOCUMENT_TYPE: {"schema": {"type": "object"}}}, "description": "Successful Response"}
}
"""For ``responses``: what a route with an ``Answer`` has beside its shape."""


@dataclass(frozen=True, slots=True)
class Answerer:
    """Knows in which form the caller wants it."""

    is_whole: bool

    def __call__(self, document: Document, etag: int | None = None, status: int = 200, **more: Any) -> MaskedJson:
        """``more`` stands beside the document's own data; ``etag`` is what a change of it names in ``If-Match``."""
        data = {**document.data, **more}
        headers = {} if etag is None else {"ETag": f'"{etag}"'}
        if self.is_whole:
            return MaskedJson(to_wire(replace(document, data=data)), status, headers, DOCUMENT_TYPE)
        return MaskedJson(data, status, headers)


def answerer_of(accept: Annotated[str, Header(include_in_schema=False)] = "") -> Answerer:
    return Answerer(any(each.partition(";")[0].strip() == DOCUMENT_TYPE for each in accept.split(",")))


def version_of(
    if_match: Annotated[
        str,
        Header(
            pattern=r'^("(0|[1-9][0-9]{0,8})")?$', description="The ETag of what you saw: what has changed since stays."
        ),
    ] = "",
) -> int | None:
    return int(if_match.strip('"')) if if_match else None


def require_version(found: int, wanted: int | None, what: str) -> None:
    """``Outdated`` where the caller saw another one."""
    if wanted is not None and wanted != found:
        raise Outdated(f"{what} has changed since you read it. Read it again; nothing was recorded.")


Answer = Annotated[Answerer, Depends(answerer_of)]
Seen = Annotated[int | None, Depends(version_of)]
"""The version that a change is made of."""
At = Annotated[Moment | None, Query(description="A time with its offset; without, now.")]
