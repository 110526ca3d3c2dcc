"""Which names are those of a secret, judged by their words: ``SMTP_PASSWORD`` is, ``secret_arn`` says where one is.

Nothing here looks at a value; ``omc.redaction`` does.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

_WORDS = re.compile(r"[sS]3(?!\d)|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
LONGEST_NAME = 200
"""Characters; of what is longer, the last of them are looked at."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SECRET_WORDS = _words(
    """
    password passwords passwd passphrase passcode passwort pwd secret secrets token tokens credential credentials creds
    authorization authorisation cookie cookies dsn jwt bearer hmac apikey apikeys apitoken authtoken accesskey secretkey
    privatekey accesstoken refreshtoken sessiontoken clientsecret pgpassword connectionstring connstr webhook otp totp
    pat salt pepper
    """
)
"""A name with one of these words is a secret's, unless its last word says otherwise (``ABOUT_ONE``)."""

WORKING_DIRECTORY = frozenset({"PWD", "OLDPWD"})

ONLY_WITH_OTHERS = frozenset({"pat", "salt", "pepper", "webhook", "otp", "totp", "bearer", "jwt", "pass", "pw"})
"""Too common as a name of its own: ``pass`` is the result of a test."""

ENDINGS = frozenset({"pass", "pw"})
"""Secret where they end the name: ``DB_PASS``."""

PAIRS = frozenset(
    {
        ("connection", "string"),
        ("conn", "string"),
        ("conn", "str"),
        ("basic", "auth"),
        ("redis", "auth"),
        ("npm", "auth"),
        ("proxy", "auth"),
        ("webhook", "url"),
        ("webhook", "uri"),
        ("hook", "url"),
    }
)

ABOUT_ONE = _words(
    """
    arn arns name names id ids version versions stage stages path paths file files folder dir s3key from ref reference
    parameter length size count number minimum maximum min max ttl seconds minutes hours days lifetime timeout interval
    period enabled disabled required expiry expires expiration expired at age date time rotation rotated policy type
    types kind format algorithm encoding endpoint host port header headers field prefix suffix provider source process
    status state limit limits rate bucket issuer audience mode hint label config configuration options option
    description rules page usage validation verification manager store reset recovery window count set present exists
    valid location url uri username user error errors exception exceptions fault failure failures
    """
)
"""As a name's last word: it is about a secret, and isn't one. A URL is looked at for what it carries."""

PAGING = frozenset({"next", "page", "continuation", "starting", "client", "request", "idempotency", "sync"})
"""Before ``token``: it says where to go on, or which request this is."""

KEYS_OF_NO_SECRET = _words(
    """
    attribute primary foreign public partition sort hash range cache object s3 kms tag tags lookup idempotency dedup
    deduplication
    group index unique natural surrogate composite candidate registry config configuration map dict json condition
    context metric event message row record column field first last next previous arrow hot shift cmk lock state routing
    correlation search dispatch source target destination parent child cluster data other any every same wrong this
    that the a no each value in by of and or per bucket manifest item resource service environment file parameter alert
    parameters attribute option header property dimension variable setting label argument question
    """
)
"""Before ``key``: a key into a table, a key that everybody may have, or a key's place."""


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether what stands behind this name (of a variable, a field, an option, a header) is to be kept secret."""
    words = tuple(word.lower() for word in _WORDS.findall(name[-LONGEST_NAME:]))
    if not words or name in WORKING_DIRECTORY:
        return False
    if _has_pair(words):
        return True
    if words[-1] in ABOUT_ONE:
        return False
    if _is_key(words) or (words[-1] in ENDINGS and len(words) > 1):
        return True
    for at, word in enumerate(words):
        if word not in SECRET_WORDS or (word in ONLY_WITH_OTHERS and len(words) == 1):
            continue
        if word in ("token", "tokens") and at and words[at - 1] in PAGING:
            continue
        return True
    return False


def _has_pair(words: tuple[str, ...]) -> bool:
    return any(pair in PAIRS for pair in pairwise(words)) and words[-1] not in (ABOUT_ONE - {"url", "uri"})


def _is_key(words: tuple[str, ...]) -> bool:
    """``API_KEY`` and ``stripe_key_live`` are; ``key`` alone, ``primary_key`` and ``key_id`` are not."""
    for at, word in enumerate(words):
        if word in ("key", "keys") and at and words[at - 1] not in KEYS_OF_NO_SECRET:
            return True
    return False
