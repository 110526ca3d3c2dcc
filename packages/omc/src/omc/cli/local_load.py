"""``omc local load``: users of the local stack, and what they saw."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from omc.cli.local import STATE_OPTION, site
from omc.cli.options import Number
from omc.cli.show import OUTPUT, show
from omc.local import lifecycle, traffic
from omc.local.load_document import exit_code, load_document
from omc.local.load_report import report
from omc.progress import Progress


@click.command()
@STATE_OPTION
@click.option("--rate", type=Number(0.1, 2000), default=20, show_default=True, help="Requests a second.")
@click.option("--duration", type=Number(1, 86_400), default=60, show_default=True, help="Seconds.")
@click.option(
    "--shape",
    type=click.Choice(["flat", "diurnal"]),
    default="flat",
    show_default=True,
    help="diurnal: a day in Sydney, from midnight on, compressed into the duration.",
)
@click.option(
    "--users",
    type=click.IntRange(1, 512),
    default=64,
    show_default=True,
    help="The most users at the site at the same time.",
)
@click.option(
    "--journey",
    "journeys",
    metavar="NAME=SHARE",
    multiple=True,
    help="How often users do this; repeat it for other journeys.  [default: front-page=20, prices=50, history=20,"
    " open-portfolio=3, change-portfolio=7]",
)
@click.option(
    "--most-errors",
    type=Number(0, 100),
    default=1,
    show_default=True,
    help="Percent of the requests that may fail; more is exit code 1.",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="The same number gives the same users again.")
@OUTPUT
@click.pass_context
def load(
    context: click.Context,
    state: Path | None,
    rate: float,
    duration: float,
    shape: str,
    users: int,
    journeys: tuple[str, ...],
    most_errors: float,
    seed: int | None,
    output: str,
) -> None:
    """Send users to the local stack's load balancer, and say what they saw.

    They arrive at set times, however slow the answers are, and a user's time counts from the arrival. Ctrl-C ends it
    with the report so far. Exit code 0: users were served well; 1: too many requests failed; 3: nobody answered.

    \b
    omc local load
    omc local load --rate 100 --duration 300 --shape diurnal
    omc local load --journey prices=80 --journey change-portfolio=20 --output json
    """
    place = site(context, state)
    url = lifecycle.url(place)
    mix = traffic.mix_of(journeys) if journeys else traffic.MIX
    progress = Progress()

    def watch(done: int, outcomes: Counter[traffic.Outcome], gone: float) -> None:
        bad = done - outcomes[traffic.Outcome.OK]
        progress.waiting(f"{gone:.0f} of {duration:.0f} s: {done} requests, {bad} of them failed")

    plan = traffic.Plan(url, rate, duration, traffic.Shape(shape), users, mix, seed)
    found = report(traffic.send(plan, watch))
    progress.done()
    zone, share = place.environment.time_zone, most_errors / 100
    show(load_document(found, zone, share), output)
    context.exit(130 if found.interrupted else exit_code(found, share))
