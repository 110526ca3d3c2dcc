"""A mail server on loopback that keeps what arrives, and says what a test wants it to say."""

from __future__ import annotations

import email
import ssl
from asyncio.base_events import Server
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from support.notify_world import SECRETS

PASSWORD = SECRETS["OMC_SMTP_PASSWORD"]


@dataclass
class Mailbox:
    """What arrived, and what is said to each command in place of 250."""

    messages: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)

    async def handle_MAIL(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        envelope.mail_from = address
        return self.answers.get("MAIL", "250 OK")

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if "RCPT" not in self.answers:
            envelope.rcpt_tos.append(address)
        return self.answers.get("RCPT", "250 OK")

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        if "DATA" not in self.answers:
            self.raw.append(envelope.content)
            message = email.message_from_bytes(envelope.content, policy=default)
            assert isinstance(message, EmailMessage)
            self.messages.append(message)
        return self.answers.get("DATA", "250 OK")


class AnyPort(Controller):
    """On a port that the system chooses; aiosmtpd's own would look for itself on port 0."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@contextmanager
def mail_server(
    context: ssl.SSLContext | None, *, tls_first: bool = False, mailbox: Mailbox | None = None, **more: Any
) -> Iterator[tuple[Mailbox, int]]:
    mailbox = Mailbox() if mailbox is None else mailbox

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        is_right = (given.login, given.password) == (b"omc", PASSWORD.encode())
        return AuthResult(success=is_right, handled=is_right)

    if context is not None and not tls_first:
        more |= {"tls_context": context, "require_starttls": True, "authenticator": authenticate}
    controller = AnyPort(mailbox, hostname="127.0.0.1", port=0, ssl_context=context if tls_first else None, **more)
    controller.start()
    try:
        yield mailbox, controller.port
    finally:
        controller.stop()
