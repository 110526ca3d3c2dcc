"""The public holidays of a place, by the library ``holidays``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache

from omc.distribution import install_line
from omc.errors import Unknown, WrongUse, did_you_mean


@cache
def public_holidays(place: str, first: int, last: int) -> Mapping[date, str]:
    """The holidays of a place, ``AU-NSW`` or ``CH``, in the years ``first`` to ``last``; none for an empty place.

    ``WrongUse`` for a place that the library doesn't know, ``Unknown`` where it isn't installed.
    """
    if not place:
        return {}
    try:
        import holidays
    except ImportError as error:
        raise Unknown(
            f"The public holidays of {place} are unknown: the package holidays isn't installed. "
            f"Install it: {install_line('serve')}"
        ) from error
    country, _, part = place.partition("-")
    known = holidays.list_supported_countries()
    if country not in known:
        raise WrongUse(
            f"on_call.public_holidays is {place}, and no holidays of {country} are known."
            f"{did_you_mean(country, [*known])}"
        )
    if part and part not in known[country]:
        choices = ", ".join(known[country]) or "none"
        raise WrongUse(f"on_call.public_holidays is {place}; the parts of {country} that are known are: {choices}.")
    found = holidays.country_holidays(country, subdiv=part or None, years=range(first, last + 1))
    return dict(sorted(found.items()))
