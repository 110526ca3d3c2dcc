"""Bearer tokens of an identity provider: the signature, then every claim that makes it one for us. Pure.

By ``cryptography`` alone, which signatures of SNS need as well: two algorithms, pinned here, are less to trust than a
library that knows twenty and takes the name of one from the token. What a token says of its own key (``jwk``, ``jku``,
``x5c``) is never looked at. RFC 7515, 7518, 7519, 8725.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from omc.access.model import Caller, NotAuthenticated, Role
from omc.config.people import NO_PEOPLE, People, canonical_name
from omc.config.server_tables import OidcRolesTable, OidcTable

MAX_TOKEN = 8192
"""Characters. Providers put groups into tokens; those of some hundred groups are about this long."""
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192
"""RFC 7518, 3.3, and where verifying begins to cost time."""
_PART = re.compile(r"[A-Za-z0-9_-]+")
_TYPES = ("jwt", "at+jwt", "application/at+jwt")
PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key of the provider's, for one algorithm."""

    id: str | None
    algorithm: str
    key: PublicKey


def keys_of(document: Any, most: int = 50) -> tuple[SigningKey, ...]:
    """The keys of a JWKS with which tokens may be signed for us; others in it are passed over. ``ValueError`` where it
    is no JWKS."""
    keys = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(keys, list):
        raise ValueError("it has no list of keys")
    found = []
    for each in keys[:most]:
        key = _key_of(each) if isinstance(each, Mapping) and each.get("use", "sig") == "sig" else None
        if key is not None:
            found.append(key)
    return tuple(found)


def _key_of(jwk: Mapping[str, Any]) -> SigningKey | None:
    try:
        made: PublicKey
        if jwk.get("kty") == "RSA":
            algorithm = "RS256"
            made = rsa.RSAPublicNumbers(_number(jwk["e"]), _number(jwk["n"])).public_key()
            if not MIN_RSA_BITS <= made.key_size <= MAX_RSA_BITS:
                return None
        elif jwk.get("kty") == "EC" and jwk.get("crv") == "P-256":
            algorithm = "ES256"
            made = ec.EllipticCurvePublicNumbers(_number(jwk["x"]), _number(jwk["y"]), ec.SECP256R1()).public_key()
        else:
            return None
    except (KeyError, ValueError, TypeError):
        return None
    key_id = jwk.get("kid")
    if jwk.get("alg", algorithm) != algorithm or not isinstance(key_id, str | None):
        return None
    return SigningKey(key_id, algorithm, made)


def _number(text: Any) -> int:
    if not isinstance(text, str) or len(text) > 2 * MAX_RSA_BITS // 8:
        raise ValueError("no number")
    return int.from_bytes(_bytes(text), "big")


def _bytes(text: str) -> bytes:
    """Base64url without padding, and in the one way in which these bytes are written."""
    if not _PART.fullmatch(text):
        raise ValueError("no base64url")
    decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64.urlsafe_b64encode(decoded).decode().rstrip("=") != text:
        raise ValueError("not canonical")
    return decoded


def claims_of(
    token: str, settings: OidcTable, find_keys: Callable[[str | None], Sequence[SigningKey]], now: datetime
) -> Mapping[str, Any]:
    """The claims of a token that the provider made for us and that holds now. ``NotAuthenticated`` else, and what
    ``find_keys`` raises; it is given the key's id that the token names."""
    header, claims = _verified(token, find_keys)
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise _refused("it is of another type")
    if claims.get("iss") != settings.issuer:
        raise _refused("it is of another issuer")
    audience = claims.get("aud")
    if settings.audience not in (audience if isinstance(audience, list) else [audience]):
        raise _refused("it was made for another audience")
    moment, skew = now.timestamp(), settings.skew_seconds
    expires = _moment(claims, "exp")
    if expires is None:
        raise _refused("it never expires")
    if moment >= expires + skew:
        raise _refused("it has expired")
    if (begins := _moment(claims, "nbf")) is not None and moment < begins - skew:
        raise _refused("it doesn't hold yet")
    if (issued := _moment(claims, "iat")) is not None and moment < issued - skew:
        raise _refused("it comes from the future")
    return claims


def _verified(
    token: str, find_keys: Callable[[str | None], Sequence[SigningKey]]
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    parts = token.split(".")
    if len(token) > MAX_TOKEN or len(parts) != 3:
        raise _refused("it is no signed token")
    try:
        header, claims, signature = _object(parts[0]), _object(parts[1]), _bytes(parts[2])
    except (ValueError, RecursionError, binascii.Error):
        raise _refused("it is no signed token") from None
    algorithm, key_id = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in _VERIFY:
        raise _refused("it is signed with another algorithm than RS256 or ES256")
    if "crit" in header or not isinstance(key_id, str | None):
        raise _refused("its header asks for what this server doesn't know")
    signed = f"{parts[0]}.{parts[1]}".encode()
    fitting = [
        each
        for each in find_keys(key_id)
        if each.algorithm == algorithm and (key_id is None or each.id in (None, key_id))
    ]
    if not any(_VERIFY[algorithm](each.key, signature, signed) for each in fitting):
        raise _refused("its signature is not the provider's")
    return header, claims


def _object(part: str) -> Mapping[str, Any]:
    """A JSON object without a name that stands in it twice: two readers could take another one of them."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError("a name twice")
        return dict(pairs)

    found = json.loads(_bytes(part).decode(), object_pairs_hook=once)
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _refused(f"its {name} is no time")
    return float(value)


def _is_rs256(key: PublicKey, signature: bytes, signed: bytes) -> bool:
    if not isinstance(key, rsa.RSAPublicKey):
        return False
    try:
        key.verify(signature, signed, padding.PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def _is_es256(key: PublicKey, signature: bytes, signed: bytes) -> bool:
    if not isinstance(key, ec.EllipticCurvePublicKey) or len(signature) != 64:
        return False
    pair = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        key.verify(pair, signed, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


_VERIFY: Mapping[str, Callable[[PublicKey, bytes, bytes], bool]] = {"RS256": _is_rs256, "ES256": _is_es256}


def caller_of(claims: Mapping[str, Any], settings: OidcTable, people: People = NO_PEOPLE) -> Caller:
    """Who that is, and the highest role that the claims give. ``NotAuthenticated`` where they name nobody, or give no
    role."""
    name = _name(claims, settings.name_claim)
    role = _role(claims.get(settings.roles_claim), settings.roles)
    if role is None:
        raise NotAuthenticated(
            f"{name} has no role here: no value of the claim {settings.roles_claim} stands in [server.oidc.roles]."
        )
    # Names of IAM Identity Center are verified addresses as well; any other claim's could be like another one's there.
    person = people.at_aws.get(canonical_name(name), "") if settings.name_claim == "email" else ""
    return Caller(f"oidc:{name}", role, person)


def _name(claims: Mapping[str, Any], claim: str) -> str:
    name = claims.get(claim)
    if claim == "email" and claims.get("email_verified") is not True:
        name = None  # whoever may write her own address could be anybody
    if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME or UNPRINTABLE.search(name):
        raise _refused(f"its claim {claim} names nobody")
    return name.strip()


def _role(value: Any, roles: OidcRolesTable) -> Role | None:
    values = {each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)}
    wanted = {
        Role.ADMIN: roles.admin,
        Role.APPROVER: roles.approver,
        Role.RESPONDER: roles.responder,
        Role.VIEWER: roles.viewer,
    }
    return next((role for role, names in wanted.items() if values & set(names)), None)


def _refused(why: str) -> NotAuthenticated:
    return NotAuthenticated(f"The bearer token isn't valid: {why}.")
