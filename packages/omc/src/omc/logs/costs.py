"""What looking at so many bytes costs, and whether somebody is asked before it is done."""

from __future__ import annotations

import sys

import click

from omc.config.log_tables import LogsTable
from omc.errors import WrongUse
from omc.logs.documents import bytes_shown
from omc.logs.insights import GIGABYTE
from omc.output import line
from omc.procedures.prices import table
from omc.progress import Progress

WORTH_SAYING = GIGABYTE / 10
"""Bytes from which on the size is said before a query begins."""


def cost_of(size: int, region: str, key: str = "logs.scanned") -> str:
    """In words: ``about 0.03 USD``, or that the price isn't known."""
    price = table(region).get(key)
    if price is None:
        return f"an amount that isn't known for {region}"
    doubt = "" if price.confirmed else f", by an unconfirmed price of {price.as_of:%Y}"
    amount = size / GIGABYTE * price.usd_a_month
    return f"about {amount:.2f} USD{doubt}" if amount >= 0.01 else f"less than 0.01 USD{doubt}"


def ensure_wanted(size: int, region: str, settings: LogsTable, *, yes: bool, key: str = "logs.scanned") -> None:
    """Say the size and the cost; ask where it is more than omc.toml's bound. ``WrongUse`` where nobody can be asked."""
    if size < WORTH_SAYING:
        return
    sentence = f"This looks at about {bytes_shown(size)} and costs {cost_of(size, region, key)}."
    if yes or size <= settings.ask_above_gigabytes * GIGABYTE:
        Progress().note(sentence)
        return
    if not sys.stdin.isatty():
        raise WrongUse(f"{sentence} Nothing was started. To proceed: --yes, or choose a shorter period.")
    if not click.confirm(line(f"{sentence} Go ahead?"), err=True):
        raise click.Abort
