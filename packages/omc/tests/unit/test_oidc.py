"""Tokens of an identity provider: which one is believed, and each way in which one isn't."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st

from omc.access.jwks import FRESH, KEPT, MAX_BYTES, RETRY_DELAY, ProviderKeys, fetch_json
from omc.access.model import NotAuthenticated, Role
from omc.access.oidc import MAX_TOKEN, caller_of, claims_of, keys_of
from omc.config.people import People
from omc.config.server_tables import OidcRolesTable, OidcTable
from omc.errors import Unknown
from support.identity_provider import (
    Provider,
    base64url,
    claims,
    ec_key,
    identity_provider,
    jwk_of,
    part,
    rsa_key,
    signature,
    signed,
)

ISSUER = "https://login.example.com"
NOW = 1_796_000_000.0
ROLES = OidcRolesTable(viewer=("everyone",), responder=("sre",), admin=("ops",))
SETTINGS = OidcTable(issuer=ISSUER, audience="omc", roles=ROLES)
KEYS = keys_of({"keys": [jwk_of(rsa_key(), "k1"), jwk_of(ec_key(), "e1")]})


def believed(token: str, settings: OidcTable = SETTINGS) -> Mapping[str, Any]:
    return claims_of(token, settings, lambda _: KEYS, datetime.fromtimestamp(NOW, UTC))


def good(**changed: Any) -> dict[str, Any]:
    return claims(ISSUER, NOW, **changed)


@pytest.mark.parametrize(
    "token",
    [
        signed(good(), rsa_key()),
        signed(good(), ec_key(), "e1"),
        signed(good(), rsa_key(), None),
        signed(good(aud=["other", "omc"]), rsa_key(), typ="at+jwt"),
        signed(good(exp=NOW - 59, iat=None), rsa_key()),
        signed(good(nbf=NOW + 59), rsa_key()),
        signed(good(exp=int(NOW) + 1), rsa_key()),
    ],
)
def test_a_token_of_the_provider_for_us_that_holds_now_is_believed(token: str) -> None:
    assert believed(token)["sub"] == "u-1"


def of_hmac(secret: bytes) -> str:
    """HS256 with the public key for its secret: what a verifier that takes the algorithm from the token accepts."""
    text = f"{part({'alg': 'HS256', 'kid': 'k1'})}.{part(good())}"
    return f"{text}.{base64url(hmac.digest(secret, text.encode(), hashlib.sha256))}"


PUBLIC = (
    rsa_key().public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
)
HEADER = part({"alg": "RS256", "kid": "k1"})
TWICE = base64url(json.dumps(good())[:-1].encode() + b', "aud": "omc"}')


def with_signature(text: str) -> str:
    return f"{text}.{base64url(signature(text.encode(), rsa_key()))}"


@pytest.mark.parametrize(
    ("token", "why"),
    [
        pytest.param(f"{part({'alg': 'none'})}.{part(good())}.", "no signed token", id="none"),
        pytest.param(f"{part({'alg': 'none'})}.{part(good())}.AAAA", "another algorithm", id="none with a signature"),
        pytest.param(f"{part({'alg': 'NONE'})}.{part(good())}.AAAA", "another algorithm", id="none in capitals"),
        pytest.param(of_hmac(PUBLIC), "another algorithm", id="HS256 with the public key"),
        pytest.param(signed(good(), rsa_key(), alg="RS512"), "another algorithm", id="RS512"),
        pytest.param(signed(good(), rsa_key(), alg=["RS256"]), "another algorithm", id="a list of algorithms"),
        pytest.param(signed(good(), rsa_key(1)), "not the provider's", id="another key under a known id"),
        pytest.param(signed(good(), rsa_key(), "k9"), "not the provider's", id="an unknown id"),
        pytest.param(signed(good(), rsa_key(), "e1"), "not the provider's", id="a key of another kind"),
        pytest.param(signed(good(), ec_key(), "k1"), "not the provider's", id="ES256 under an RSA key's id"),
        pytest.param(
            signed(good(), rsa_key(1), jwk=jwk_of(rsa_key(1), "k1")), "not the provider's", id="its own key in it"
        ),
        pytest.param(signed(good(), rsa_key(1), jku="http://evil.example/k"), "not the provider's", id="its keys' URL"),
        pytest.param(signed(good(), rsa_key(), crit=["b64"], b64=False), "its header asks", id="crit"),
        pytest.param(signed(good(), rsa_key(), 7), "its header asks", id="an id that is no text"),  # type: ignore[arg-type]
        pytest.param(signed(good(), rsa_key(), typ="logout+jwt"), "of another type", id="a logout token"),
        pytest.param(signed(good(iss="https://evil.example"), rsa_key()), "another issuer", id="another issuer"),
        pytest.param(signed(good(iss=f"{ISSUER}/"), rsa_key()), "another issuer", id="an issuer with a slash"),
        pytest.param(signed(good(aud="other"), rsa_key()), "another audience", id="another audience"),
        pytest.param(signed(good(aud=None), rsa_key()), "another audience", id="no audience"),
        pytest.param(signed(good(aud={"omc": 1}), rsa_key()), "another audience", id="an audience that is a table"),
        pytest.param(signed(good(aud="omc2"), rsa_key()), "another audience", id="an audience that begins like ours"),
        pytest.param(signed(good(exp=NOW - 60), rsa_key()), "has expired", id="expired"),
        pytest.param(signed(good(exp=None), rsa_key()), "never expires", id="no end"),
        pytest.param(signed(good(exp="2099"), rsa_key()), "exp is no time", id="an end that is a text"),
        pytest.param(signed(good(exp=True), rsa_key()), "exp is no time", id="an end that is true"),
        pytest.param(signed(good(exp=float("inf")), rsa_key()), "exp is no time", id="an end that is infinite"),
        pytest.param(signed(good(nbf=NOW + 61), rsa_key()), "doesn't hold yet", id="too early"),
        pytest.param(signed(good(iat=NOW + 61), rsa_key()), "from the future", id="from the future"),
        pytest.param(with_signature(f"{HEADER}.{TWICE}"), "no signed token", id="a claim twice"),
        pytest.param(with_signature(f"{HEADER}.{part([1])}"), "no signed token", id="claims that are a list"),
        pytest.param(with_signature(f"{HEADER}.{part(good())}="), "no signed token", id="padding"),
        pytest.param(signed(good(), rsa_key()) + "\n", "no signed token", id="a line break"),
        pytest.param(signed(good(), rsa_key()) + ".x", "no signed token", id="a part too many"),
        pytest.param("." * 3, "no signed token", id="dots"),
        pytest.param(signed(good(more="x" * MAX_TOKEN), rsa_key()), "no signed token", id="too long"),
        pytest.param(base64url(b"[" * 5000) + ".e30.AAAA", "no signed token", id="nested without end"),
    ],
)
def test_no_other_token_is_believed(token: str, why: str) -> None:
    with pytest.raises(NotAuthenticated, match=why) as refused:
        believed(token)
    assert token not in refused.value.message


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 10_000), character=st.sampled_from("ABCxyz019-_.=\x00é"))
def test_whatever_is_changed_in_a_token_it_is_believed_no_more(at: int, character: str) -> None:
    for token in (signed(good(), rsa_key()), signed(good(), ec_key(), "e1")):
        place = at % len(token)
        changed = token[:place] + character + token[place + 1 :]
        if changed != token:
            with pytest.raises(NotAuthenticated):
                believed(changed)


def test_a_key_that_is_too_weak_or_for_another_use_is_none() -> None:
    weak = jwk_of(rsa_key(0, 1024), "w")
    other = jwk_of(rsa_key(), "o", use="enc")
    wrong = jwk_of(rsa_key(), "r", alg="RS512")
    off_the_curve = jwk_of(ec_key(), "c") | {"y": base64url(b"\1" * 32)}
    broken: list[Any] = [{"kty": "RSA"}, {"kty": "oct", "k": "AAAA"}, 7, {"kty": "EC", "crv": "P-384"}]
    assert keys_of({"keys": [weak, other, wrong, off_the_curve, *broken]}) == ()
    assert len(keys_of({"keys": [jwk_of(rsa_key(), str(number)) for number in range(60)]})) == 50
    documents: list[Any] = [[], {"keys": {}}, None, {}]
    for document in documents:
        with pytest.raises(ValueError, match="no list of keys"):
            keys_of(document)


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (["everyone"], Role.VIEWER),
        ("sre", Role.RESPONDER),
        (["everyone", "ops", "sre"], Role.ADMIN),
        (["everyone", 7, None, {"ops": 1}], Role.VIEWER),
    ],
)
def test_the_claim_gives_the_highest_role_of_its_values(groups: object, role: Role) -> None:
    assert caller_of({"sub": "u-1", "groups": groups}, SETTINGS).role is role


@pytest.mark.parametrize("groups", [None, [], "ops,sre", ["OPS"], {"ops": True}, True])
def test_who_has_no_role_is_refused(groups: object) -> None:
    with pytest.raises(NotAuthenticated, match="has no role here"):
        caller_of({"sub": "u-1", "groups": groups}, SETTINGS)


def test_the_record_names_a_person_by_a_claim_that_she_cannot_choose() -> None:
    people = People(at_aws={"jo@example.com": "jo", "u-1": "sam"})
    by_mail = OidcTable(issuer=ISSUER, audience="omc", roles=ROLES, name_claim="email")
    whole = {"sub": "u-1", "groups": "sre", "email": "Jo@example.com", "email_verified": True}
    found = caller_of(whole, by_mail, people)
    assert (found.name, found.person) == ("oidc:Jo@example.com", "jo")
    assert caller_of(whole, SETTINGS, people).person == ""
    unverified: list[dict[str, Any]] = [{"email_verified": value} for value in (False, "true", 1, None)]
    nameless: list[dict[str, Any]] = [{"email": value} for value in ("", "a\nb", ["x"], None)]
    for bad in unverified + nameless:
        with pytest.raises(NotAuthenticated, match="its claim email names nobody"):
            caller_of(whole | bad, by_mail, people)


# ── The provider's keys ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def provider() -> Iterator[Provider]:
    with identity_provider() as found:
        yield found


def keys_from(provider: Provider, clock: list[float]) -> ProviderKeys:
    settings = OidcTable(issuer=provider.issuer, audience="omc", roles=ROLES)
    return ProviderKeys(settings, lambda: clock[0])


def test_keys_are_fetched_once_and_again_when_a_token_names_a_new_one(provider: Provider) -> None:
    clock = [0.0]
    keys = keys_from(provider, clock)
    assert {each.id for each in keys("k1")} == {"k1", "e1"}
    keys("e1")
    assert provider.asked == ["/.well-known/openid-configuration", "/keys"]
    provider.keys.append(jwk_of(rsa_key(1), "k2"))
    clock[0] += RETRY_DELAY
    assert "k2" in {each.id for each in keys("k2")}
    assert len(provider.asked) == 4
    clock[0] += FRESH
    provider.keys.pop(0)
    assert "k1" not in {each.id for each in keys("k1")}


def test_forged_ids_do_not_make_us_ask_the_provider_at_their_rate(provider: Provider) -> None:
    clock = [0.0]
    keys = keys_from(provider, clock)
    for number in range(100):
        keys(f"forged-{number}")
        clock[0] += 0.5
    assert provider.asked.count("/keys") <= 2


def test_known_keys_are_taken_for_a_day_while_the_provider_is_away(provider: Provider) -> None:
    clock = [0.0]
    keys = keys_from(provider, clock)
    keys("k1")
    provider.status = 500
    clock[0] += KEPT - 1
    assert keys("k1")
    clock[0] += 1
    with pytest.raises(Unknown, match="it answered 500"):
        keys("k1")
    provider.status = 200
    clock[0] += RETRY_DELAY
    assert keys("k1")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"issuer": "https://evil.example"}, "another issuer's"),
        ({"jwks_uri": "http://evil.example/keys"}, "anybody on the way could change"),
        ({"jwks_uri": "file:///etc/passwd"}, "anybody on the way could change"),
        ({"jwks_uri": None}, "anybody on the way could change"),
    ],
)
def test_a_configuration_that_leads_elsewhere_is_not_followed(provider: Provider, change: Any, why: str) -> None:
    provider.configuration = change
    with pytest.raises(Unknown, match=why):
        keys_from(provider, [0.0])("k1")


def test_an_answer_that_is_too_long_or_leads_on_is_not_taken(provider: Provider) -> None:
    provider.keys = [{"kty": "x" * MAX_BYTES}]
    with pytest.raises(ValueError, match="more than"):
        fetch_json(f"{provider.issuer}/keys")
    provider.status = 302
    with pytest.raises(ValueError, match="it answered 302"):
        fetch_json(f"{provider.issuer}/keys")
    with pytest.raises(OSError, match="ConnectError"):
        fetch_json("http://127.0.0.1:9/keys")
