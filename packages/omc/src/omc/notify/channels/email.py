"""E-mail, handed to the mail server of ``[notify.email]``. TLS is demanded, never only used where it is offered."""

from __future__ import annotations

import re
import smtplib
import ssl
from contextlib import suppress
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime
from hashlib import sha256
from typing import Any

from omc.config.notify_tables import EmailTable
from omc.model.pages import Page
from omc.model.people import Channel
from omc.notify.channels.registry import CHANNELS, ChannelContext, PageDelivery, secret_or_refusal
from omc.notify.document import headline, page_document
from omc.notify.model import Failure, Outcome, Refused, Sent, TryAgain
from omc.output import html, terminal
from omc.output.text import line

FAILURE_OF = {
    **dict.fromkeys((530, 534, 535, 538), Failure.RIGHTS),
    **dict.fromkeys((510, 512, 550, 551, 553, 556), Failure.ADDRESS),
    **dict.fromkeys((421, 451, 554), Failure.SERVER),
    **dict.fromkeys((450, 452), Failure.RATE),
}
"""What a code says of why (RFC 5321, 4.2.3; RFC 4954, 6)."""
TIMEOUT = 6.0
"""Seconds for each answer of the server."""
WIDTH = 76
GONE = frozenset({550, 551, 553})
"""Answers to a recipient that mean the mailbox, where no enhanced status says more (RFC 5321, 4.2.3)."""
GONE_STATUS = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
"""A mailbox or a domain that isn't there, isn't valid, has moved, or is closed (RFC 3463, RFC 7505)."""
HTML = '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"></head><body>\n{}\n</body></html>\n'


class _Policy(EmailPolicy):
    """A header that is one word, such as an address or a key, stays whole however long it is: folded it would be
    encoded, and a List-Unsubscribe that is encoded is none (RFC 2369)."""

    def fold(self, name: str, value: Any) -> str:
        return f"{name}: {value}{self.linesep}" if _is_word(name, value) else super().fold(name, value)

    def fold_binary(self, name: str, value: Any) -> bytes:
        if _is_word(name, value):
            return self.fold(name, value).encode("ascii")
        return super().fold_binary(name, value)


def _is_word(name: str, value: Any) -> bool:
    text = str(value)
    return text.isascii() and text.isprintable() and " " not in text and len(name) + len(text) <= LONGEST_LINE


LONGEST_LINE = 990
"""RFC 5322 allows 998 characters."""
POLICY = _Policy(linesep="\r\n", max_line_length=WIDTH + 2, raise_on_defect=False)


@CHANNELS.register(Channel.EMAIL)
def send(delivery: PageDelivery, context: ChannelContext) -> Outcome:
    settings = context.stack.notify.email
    if settings is None:
        return Refused("omc.toml has no [notify.email]")
    password: str | Refused = ""
    if settings.user is not None and isinstance(password := secret_or_refusal("OMC_SMTP_PASSWORD"), Refused):
        return password
    message = mail(delivery.page, delivery.method.address, settings.sender)
    message["Date"] = format_datetime(context.now())
    return hand_over(settings, str(password), message, delivery.method.address)


def mail(page: Page, recipient: str, sender: str) -> EmailMessage:
    """The message without its date. Its id is made of the page's key, so a page that is sent twice is the same mail;
    all mails of an incident refer to one, which never was sent, and so are one conversation."""
    domain = sender.rpartition("@")[2]
    document = page_document(page)
    message = EmailMessage(POLICY)
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = _header(headline(page) if page.incident else page.message.short)
    message["Message-ID"] = _message_id(page.key, domain)
    message["Idempotency-Key"] = page.key
    if page.incident:
        conversation = _message_id(f"incident {page.environment} {page.incident}", domain)
        message["In-Reply-To"] = conversation
        message["References"] = conversation
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation answers it
    message["X-Auto-Response-Suppress"] = "All"
    if page.is_urgent:
        message["Importance"] = "high"
    message.set_content(terminal.render(document, width=WIDTH, wrap=True) + "\n", charset="utf-8")
    message.add_alternative(HTML.format(html.render(document)), subtype="html", charset="utf-8")
    return message


def _header(text: str) -> str:
    """A text within a header. An encoded word in it would be decoded by Python's own email package, and a line break
    that it holds would begin another header."""
    return line(text).replace("=?", "= ?")


def _message_id(of: str, domain: str) -> str:
    return f"<{sha256(of.encode()).hexdigest()[:32]}@{domain}>"


def hand_over(settings: EmailTable, password: str, message: EmailMessage, recipient: str) -> Outcome:
    """One message to one recipient, given to the mail server; what that comes to."""
    is_under_way = False
    server: smtplib.SMTP | None = None
    try:
        server = _connected(settings)
        if settings.user is not None:
            server.login(settings.user, password)
        is_under_way = True
        server.send_message(message, settings.sender, [recipient])
    except smtplib.SMTPRecipientsRefused as error:
        return _refusal(*error.recipients[recipient], of_recipient=True)
    except smtplib.SMTPAuthenticationError as error:
        return _refusal(error.smtp_code, b"the login was refused")
    except smtplib.SMTPResponseException as error:
        return _refusal(error.smtp_code, error.smtp_error)
    except smtplib.SMTPNotSupportedError as error:
        return Refused(f"the mail server can't do what it must: {error}")
    except ssl.SSLCertVerificationError as error:
        return Refused(
            f"the certificate of {settings.host} is not to be trusted: {error.verify_message}", Failure.RIGHTS
        )
    except (smtplib.SMTPException, OSError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        why = Failure.TIME if isinstance(error, TimeoutError) else Failure.UNREACHABLE
        return TryAgain(f"the mail server {settings.host} failed: {reason}", None, is_under_way, why)
    except (ValueError, UnicodeError) as error:  # an address that no mail can have
        return Refused(f"no mail can be written to it: {error}", Failure.ADDRESS)
    finally:
        if server is not None:
            with suppress(smtplib.SMTPException, OSError):
                if server.sock is not None:
                    server.sock.settimeout(1.0)  # it has the message or not: its farewell isn't worth a wait
                    server.quit()
            server.close()
    return Sent(str(message["Message-ID"]))


def _connected(settings: EmailTable) -> smtplib.SMTP:
    own = settings.sender.rpartition("@")[2]  # what we say we are; smtplib would ask the resolver, and wait for it
    if settings.security == "tls":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(settings.host, settings.port, local_hostname=own, timeout=TIMEOUT, context=context)
    server = smtplib.SMTP(settings.host, settings.port, local_hostname=own, timeout=TIMEOUT)
    try:
        if settings.security == "starttls":
            server.starttls(context=ssl.create_default_context())
    except BaseException:
        server.close()
        raise
    return server


def _refusal(code: int, words: bytes | str, *, of_recipient: bool = False) -> Outcome:
    """4yz is for now, 5yz for good (RFC 5321, 4.2.1). The recipient is gone if the server says that of the mailbox: a
    refusal for what we are, 5.7.x, says nothing of it (RFC 3463, 3.2, 3.3 and 3.8)."""
    text = words.decode(errors="replace") if isinstance(words, bytes) else words
    sentence = f"the mail server answered {code}: {line(' '.join(text.split()))}"
    why = FAILURE_OF.get(code, Failure.OTHER)
    if not 500 <= code < 600:
        return TryAgain(sentence, failure=why)
    status = re.match(r"5\.\d{1,3}\.\d{1,3}\b", text.strip())
    is_gone = of_recipient and (code in GONE if status is None else status[0] in GONE_STATUS)
    return Refused(sentence, why, is_gone=is_gone)
