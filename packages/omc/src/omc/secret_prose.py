"""What stands behind a secret's name and is no secret: a sentence that goes on about it, ``token: expired``.

Only words that nobody's password is, or that a password would have to be alone: a mask too many hides a diagnosis.
"""

from __future__ import annotations

import re

_STATES = """
    absent accepted active allowed bad blank cancelled changed configured created deleted denied disabled empty
    enabled error expired expires failed failing failure filtered forbidden found granted inactive incorrect
    invalid loaded malformed mandatory masked mismatch mismatched missing none obsolete ok okay omitted optional pending
    present provided reached received refreshed refreshing refused rejected removed renewed replaced required reset
    revoked rotated rotating sensitive set short stale succeeded success throttled timeout unauthorised unauthorized
    unavailable unchanged undefined unexpected unknown unreachable unreadable unset unsupported unused updated valid
    validated verified weak wrong n/a na string str boolean bool integer number object
"""
"""As the whole value; also where they begin a sentence."""
_BEGINNINGS = """
    and are as at before because but by can cannot can't could couldn't did didn't does doesn't for from has hasn't
    have in is isn't may must mustn't no not of on only or see should shouldn't still than that the they this to too
    unable was wasn't were when where which will with within won't would you your
"""
"""As the first of several words."""


def _any(words: str) -> str:
    return "|".join(re.escape(word) for word in sorted(words.split(), key=len, reverse=True))


_STATE = re.compile(rf"(?i)\s*+(?:{_any(_STATES)})[.,;:!)]?\s*+")
_SENTENCE = re.compile(
    rf"(?i)\s*+(?:(?:{_any(_STATES)})(?:\s*+\Z|\s(?=[^\W\d]|[(\[])|[.,;:!)\]](?:\s|\Z))|(?:{_any(_BEGINNINGS)})\s(?=[^\W\d]))"
)
_PARSER = re.compile(
    r"(?i)\b(?:unexpected|unrecogni[sz]ed|illegal|stray|offending|lookahead|unterminated|unclosed)\s{1,3}\Z"
)
LONGEST_TOKEN = 16
"""Characters of what a parser stumbles over; what is longer may be a token of the other kind."""


def is_state(value: str) -> bool:
    """Whether a whole value is a word for how a secret is, as ``{"password": "required"}`` has it."""
    return _STATE.fullmatch(value) is not None


def begins_sentence(text: str) -> bool:
    """Whether a sentence about a secret goes on here, by its first word."""
    return _SENTENCE.match(text) is not None


def is_of_a_parser(before: str, value: str) -> bool:
    """``Unexpected token: <``: a token of a language, not of a login."""
    return len(value) <= LONGEST_TOKEN and _PARSER.search(before[-32:]) is not None
