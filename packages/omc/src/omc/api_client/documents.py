"""What omc says, as one value that a server sends and a command shows: the whole of a ``Document``, not only its data.

So a command through a server prints what it prints without one, and only the server knows how it is made. Both ends of
the wire are here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from omc.api_client.http import Server
from omc.model.typed_json import from_json, to_json
from omc.output.document import Block, Document, Field, Fields, Row, Section, Table

DOCUMENT_TYPE = "application/vnd.omc.document+json"
"""The media type by which all of a document is requested, in place of its data alone."""
PAGE = 500
MAX_PAGES = 200


def to_wire(document: Document) -> Any:
    return to_json(document)


def from_wire(found: Any) -> Document:
    """``ValueError`` for what is no document that this omc knows."""
    document = from_json(Document, found)
    return replace(document, blocks=tuple(_restored(each) for each in document.blocks))


def _restored(block: Block) -> Block:
    """JSON has one kind of list: several strings are a field's values, and not the parts of one text."""
    match block:
        case Fields():
            return Fields(tuple(map(_field, block.fields)))
        case Table():
            rows = tuple(Row(each.cells, tuple(map(_field, each.evidence))) for each in block.rows)
            return replace(block, rows=rows)
        case Section():
            return replace(block, blocks=tuple(map(_restored, block.blocks)))
    return block


def _field(field: Field) -> Field:
    if isinstance(field.value, tuple) and all(isinstance(each, str) for each in field.value):
        return Field(field.name, [str(each) for each in field.value])
    return field


def read(server: Server, path: str, query: Mapping[str, Any] | None = None) -> Document:
    """What the server says at an address."""
    return _read(server, server.get(path, query, accept=DOCUMENT_TYPE))


def ask(server: Server, path: str, body: Mapping[str, Any] | None = None, *, method: str = "POST") -> Document:
    """What it says to a request that does something."""
    return _read(server, server.send(method, path, body, accept=DOCUMENT_TYPE))


def read_all(server: Server, path: str, query: Mapping[str, Any], name: str, cursor: str = "cursor") -> Document:
    """A list to its end: the rows of its pages below each other, and the items that its data has under ``name``."""
    wanted = dict(query) | {"limit": PAGE}
    whole = read(server, path, wanted)
    for _ in range(MAX_PAGES):
        following = _data(server, whole).get("next")
        if following is None:
            return whole
        more = read(server, path, wanted | {cursor: following})
        items = [*_items(server, whole, name), *_items(server, more, name)]
        data = {**whole.data, name: items, "next": _data(server, more).get("next")}
        whole = replace(whole, blocks=_joined(whole.blocks, more.blocks), data=data)
    raise server.strange()


def _joined(first: Sequence[Block], second: Sequence[Block]) -> tuple[Block, ...]:
    match first, second:
        case [Table() as table, *rest], [Table() as more, *others]:
            return (replace(table, rows=(*table.rows, *more.rows)), *rest, *others)
    return tuple(first)


def _data(server: Server, document: Document) -> Mapping[str, Any]:
    if not isinstance(document.data, Mapping):
        raise server.strange()
    return document.data


def _items(server: Server, document: Document, name: str) -> list[Any]:
    found = _data(server, document).get(name)
    if not isinstance(found, list):
        raise server.strange()
    return found


def _read(server: Server, found: Any) -> Document:
    try:
        return from_wire(found)
    except (ValueError, TypeError, RecursionError) as error:
        raise server.strange() from error
