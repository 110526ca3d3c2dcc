"""A message as it is written for a phone: short forms, cut where it does no harm, and the alphabet of SMS. Pure.

What is cut ends at a word. A text that came through ``omc.output.line`` shows controls by their numbers (``\\x1b``);
such an escape, and a number, is cut off whole or stays whole.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from hashlib import sha256

from omc.model.pages import SHORT
from omc.output.text import line

GSM = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The default alphabet of 3GPP TS 23.038, 6.2.1: one septet each."""
GSM_EXTENSION = "^{}\\[~]|€\f"
"""6.2.1.1: two septets each."""
ONE_PART, OF_MANY = 160, 153
"""Septets of a message of one part, and of each of several."""
ONE_PART_UCS2, OF_MANY_UCS2 = 70, 67
"""The same in UTF-16 units, which all of a message takes as soon as one character is outside of the alphabet."""
MAX_PARTS_UCS2 = 3
"""Parts of a message in another script; what a short form of 160 characters takes."""
MIN_BESIDE_LINK = 50
"""Septets that say what is wrong, at least, in an SMS with a link."""
MAX_LINE, MAX_LINES = 500, 20
"""Of the long form: characters of a line, and lines."""

_FOLDED = {
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032`\u00b4", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u2033\u00ab\u00bb", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    **dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u202f", " "),
    **dict(zip("→←≥≤≠·•µ…", ("->", "<-", ">=", "<=", "!=", "-", "-", "u", "..."), strict=True)),
    **dict(
        zip("\u00d7ç°©®™½łŁđ\u0131", ("x", "c", " deg", "(c)", "(R)", "(TM)", "1/2", "l", "L", "d", "i"), strict=True)
    ),
}
_ATOM = re.compile(
    r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|.)|[0-9]+(?:[.,:/-][0-9]+)*%?|[A-Za-z]{2,8}://\S+|\s+|.", re.DOTALL
)
"""What is cut off whole or stays whole. An address that is cut leads elsewhere."""


def short_form(problem: str, next_step: str = "", most: int = SHORT) -> str:
    """What is wrong, and the one next step, in so many characters. Where both don't fit, the step stays whole and the
    problem is cut; a step that takes more than half is cut as well."""
    problem, step = _one_line(problem), _one_line(next_step)
    if not step:
        return cut(problem, most)
    step = cut(step, most // 2) if len(problem) + 1 + len(step) > most else step
    sentence = problem if problem.endswith((".", "!", "?", "…", ":")) else f"{problem}."
    if len(sentence) + 1 + len(step) > most:
        sentence = cut(problem, most - 1 - len(step))
    return f"{sentence} {step}".strip()


def cut(text: str, most: int, mark: str = "…", measure: Callable[[str], int] = len) -> str:
    """The text, or as many of its first words as fit with ``mark`` behind them; ``measure`` counts."""
    if measure(text) <= most:
        return text
    room = most - measure(mark)
    kept, used, end_of_word = "", 0, 0
    for match in _ATOM.finditer(text):
        atom = match[0]
        if used + measure(atom) > room:
            if atom.isspace():
                end_of_word = len(kept)
            break
        if atom.isspace():
            end_of_word = len(kept)
        kept, used = kept + atom, used + measure(atom)
    if end_of_word and measure(kept[:end_of_word]) >= room // 2:  # one long word is cut rather than all left out
        kept = kept[:end_of_word]
    return kept.rstrip(" ,;:") + mark if room >= 0 else ""


def code_of(key: str) -> str:
    """What a reader sees of a page's key: the same page that comes twice has the same. ``#k3f9q2``."""
    letters = "23456789abcdefghjkmnpqrstuvwxyz"
    number = int.from_bytes(sha256(key.encode()).digest()[:8], "big")
    return "#" + "".join(letters[number // len(letters) ** place % len(letters)] for place in range(6))


def sms(short: str, key: str, link: str = "") -> str:
    """A short form as an SMS: in one part where the GSM alphabet has it, its code whole and at the end. A link is there
    whole where it leaves room for what is wrong, and else not at all."""
    text, code = fold(_one_line(short)), code_of(key)
    if is_gsm(text):
        room = ONE_PART - septets(link) - 1
        if link and is_gsm(link) and room - len(code) - 1 >= MIN_BESIDE_LINK:
            return f"{cut(text, room - len(code) - 1, '...', septets)} {link} {code}"
        return f"{cut(text, ONE_PART - len(code) - 1, '...', septets)} {code}"
    most = MAX_PARTS_UCS2 * OF_MANY_UCS2
    whole = f"{cut(text, most - len(code) - 1, '…', units)} {code}"
    if units(whole) <= ONE_PART_UCS2:
        return whole
    begin = units(whole) - len(code)
    if begin // OF_MANY_UCS2 != (units(whole) - 1) // OF_MANY_UCS2:  # the code would stand in two parts
        fits = (units(whole) - 1) // OF_MANY_UCS2 * OF_MANY_UCS2
        whole = f"{cut(text, fits - len(code) - 1, '…', units)} {code}"
    return whole


def fold(text: str) -> str:
    """The text in the GSM alphabet, as far as it can be: quotes and dashes of typesetters, accents that it doesn't
    have, signs. A letter of another script stays."""
    return "".join(_folded(character) for character in unicodedata.normalize("NFC", text))


def _folded(character: str) -> str:
    if character in GSM or character in GSM_EXTENSION:
        return character
    if character in _FOLDED:
        return _FOLDED[character]
    base = unicodedata.normalize("NFKD", character)
    plain = "".join(each for each in base if not unicodedata.combining(each))
    if plain and all(each in GSM or each in GSM_EXTENSION for each in plain):
        return plain
    return character if unicodedata.category(character)[0] in "LM" else "?"


def is_gsm(text: str) -> bool:
    return all(each in GSM or each in GSM_EXTENSION for each in text)


def septets(text: str) -> int:
    """Septets of a text in the GSM alphabet."""
    return len(text) + sum(each in GSM_EXTENSION for each in text)


def units(text: str) -> int:
    """UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def long_form(lines: tuple[str, ...]) -> tuple[str, ...]:
    """The further lines of a message, as many and as long as somebody reads at night."""
    shown = tuple(cut(_one_line(each), MAX_LINE) for each in lines[:MAX_LINES] if each.strip())
    left = len(lines) - MAX_LINES
    return (*shown, f"… and {left} more lines") if left > 0 else shown


def _one_line(text: str) -> str:
    return line(" ".join(text.split()))
