"""Whose request this is, by the bearer token that it brings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from omc.access.model import Caller, NotAuthenticated, is_token
from omc.access.oidc import MAX_TOKEN, caller_of, claims_of
from omc.access.records import find_token
from omc.config.people import NO_PEOPLE, People
from omc.config.server_tables import OidcTable
from omc.store.opened import Store

if TYPE_CHECKING:
    from omc.access.jwks import ProviderKeys


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Knows omc's own tokens, and those of an identity provider where omc.toml names one."""

    store: Store
    oidc: OidcTable | None = None
    keys: ProviderKeys | None = None
    people: People = NO_PEOPLE

    def caller(self, authorization: str | None) -> Caller:
        """Whom the header ``Authorization`` names. ``NotAuthenticated`` where it names nobody; the message doesn't
        repeat what it holds."""
        scheme, _, text = (authorization or "").partition(" ")
        text = text.strip(" ")
        if not text:
            raise NotAuthenticated("This needs a token: Authorization: Bearer omc_… (omc token create).")
        if scheme.lower() != "bearer" or len(text) > MAX_TOKEN:
            raise NotAuthenticated("The header Authorization is not one of a bearer token.")
        if is_token(text):
            return self._own(text)
        if self.oidc is None or self.keys is None:
            raise NotAuthenticated("The bearer token isn't one of omc's, and omc.toml names no identity provider.")
        return caller_of(claims_of(text, self.oidc, self.keys, self.store.now()), self.oidc, self.people)

    def _own(self, text: str) -> Caller:
        with self.store.reading() as session:
            token = find_token(session, text)
        if token is None or token.role is None or not token.is_valid(self.store.now()):
            raise NotAuthenticated("The token isn't valid: it was revoked, has expired, or never was one.")
        return Caller(token.actor, token.role, token.person)
