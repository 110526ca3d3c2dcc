"""API tokens as a document. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from omc.access.model import ApiToken
from omc.output.document import Document, Literal, Paragraph, Row, Severity, Status, Table
from omc.times import format_time, iso


def tokens_document(tokens: Sequence[ApiToken], zone: str, now: datetime | None) -> Document:
    rows = tuple(
        Row(
            (
                each.name,
                Literal(each.id),
                each.role.value if each.role else "unknown",
                _state(each, now),
                f"{format_time(each.created_at, zone)} by {each.created_by}",
                format_time(each.expires, zone) if each.expires else "never",
            )
        )
        for each in tokens
    )
    table = Table(("token", "id", "role", "state", "created", "expires"), rows)
    data = {"items": [token_data(each, now) for each in tokens]}
    return Document("", (table if rows else Paragraph("There is no token."),), data=data)


def _state(token: ApiToken, now: datetime | None) -> Status:
    if token.revoked_at is not None:
        return Status("revoked")
    return Status("valid", Severity.OK) if now is None or token.is_valid(now) else Status("expired")


def token_data(token: ApiToken, now: datetime | None) -> dict[str, object]:
    return {
        "name": token.name,
        "id": token.id,
        "role": token.role.value if token.role else None,
        "state": _state(token, now).word,
        "person": token.person or None,
        "created_by": token.created_by,
        "created_at": iso(token.created_at),
        "expires": iso(token.expires),
        "revoked_by": token.revoked_by,
        "revoked_at": iso(token.revoked_at),
    }
