"""What the keys of ``[review]`` must be together."""

from __future__ import annotations

from collections.abc import Iterator

from omc.config.mistakes import shown
from omc.config.networks import is_network
from omc.config.review_tables import ReviewTable
from omc.config.toml_lines import Path as KeyPath


def review_problems(review: ReviewTable) -> Iterator[tuple[KeyPath, str]]:
    security = review.security
    if security.certificate_urgent_days > security.certificate_days:
        yield (
            ("security", "certificate_urgent_days"),
            f"is {security.certificate_urgent_days}; allowed is at most certificate_days, {security.certificate_days}.",
        )
    for number, network in enumerate(security.known_sources):
        if not is_network(network):
            place = ("security", "known_sources", number)
            yield place, f"is {shown(network)}; allowed is an address or a network, 203.0.113.0/24."
