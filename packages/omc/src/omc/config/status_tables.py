"""``[status]`` of omc.toml: what customers see of an incident, and how they are told. See ``omc.config.tables``."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import field

from omc.config.fields import Identifier, Table, key

A_TEMPLATE = (
    "a text; {components} stands for the components that suffer, {interval} for on_call's customer_update_minutes"
)
SUBSCRIPTION_KEY = "OMC_STATUS_KEY"
"""The secret of which confirmations, unsubscribe links and webhooks' secrets are made."""


class ComponentTable(Table, frozen=True, kw_only=True):
    """One of what customers know as parts: the table's name is the service's."""

    name: Annotated[str, key("What customers call it.", pattern=r".{1,60}", allowed="a name", example="Prices")]


class TemplatesTable(Table, frozen=True, kw_only=True):
    """What an update says where whoever sends it writes nothing else."""

    investigating: Annotated[
        str, key("Something is wrong, and why isn't known.", pattern=r"[\s\S]{1,2000}", allowed=A_TEMPLATE)
    ] = "We are looking into a problem with {components}. We write again within {interval}."
    identified: Annotated[str, key("The cause is known.", pattern=r"[\s\S]{1,2000}", allowed=A_TEMPLATE)] = (
        "We know what is wrong with {components} and are working on it. We write again within {interval}."
    )
    monitoring: Annotated[str, key("Users are served again.", pattern=r"[\s\S]{1,2000}", allowed=A_TEMPLATE)] = (
        "{components} should work again. We keep watching, and write once we are sure."
    )
    resolved: Annotated[str, key("It is over.", pattern=r"[\s\S]{1,2000}", allowed=A_TEMPLATE)] = (
        "The problem with {components} is over."
    )


class StatusTable(Table, frozen=True, kw_only=True):
    """What customers are told, at `<address>/status/<environment>` of `[server]`, without a token. Only texts that
    people wrote for customers are there: `omc incident update`."""

    environments: Annotated[
        tuple[Identifier, ...],
        key(
            "The environments whose status everybody may read.",
            allowed='a list such as ["production"]',
            default="none: there is no feed",
            example=["production"],
        ),
    ] = ()
    title: (
        Annotated[
            str,
            key(
                "What customers call all of it.",
                pattern=r".{1,60}",
                allowed="a name",
                default="the stack's name",
                example="Oh My Coins",
            ),
        ]
        | None
    ) = None
    components: Annotated[
        dict[Identifier, ComponentTable], key("See below.", default="each service, by its own name")
    ] = field(default_factory=dict)
    templates: Annotated[TemplatesTable, key("See below.", default="as below")] = field(default_factory=TemplatesTable)
    subscriptions: Annotated[
        tuple[Literal["email", "webhook"], ...],
        key(
            "How customers may have updates sent to them. Both need `[server] address` and `OMC_STATUS_KEY`, e-mail "
            "needs `[notify.email]` too. Atom and RSS need nothing.",
            allowed='a list such as ["email", "webhook"]',
            default="none",
            example=["email", "webhook"],
        ),
    ] = ()
    most_subscribers: Annotated[
        int,
        key("Of one environment; one more is refused.", least=1, most=100_000, unit="subscribers", example=2000),
    ] = 10_000
    most_webhooks_of_a_host: Annotated[
        int,
        key(
            "Confirmed webhooks of one environment at the same host name: whoever runs a host confirms its webhooks "
            "himself, as many as he likes.",
            least=1,
            most=10_000,
            unit="subscribers",
            example=5,
        ),
    ] = 20
    webhook_networks: Annotated[
        tuple[
            Annotated[
                str,
                key(
                    "A network.",
                    pattern=r"[0-9a-fA-F:.]+(?:/[0-9]{1,3})?",
                    allowed="addresses or networks, 10.0.0.0/16",
                ),
            ],
            ...,
        ],
        key(
            "Networks that aren't public and to which webhooks may go all the same.",
            allowed='a list such as ["10.20.0.0/16"]',
            default="none: public addresses alone",
            example=["10.20.0.0/16"],
        ),
    ] = ()
    history_days: Annotated[
        int, key("For how long an incident stays in the feed.", least=1, most=730, unit="days", example=30)
    ] = 90


DEFAULT_STATUS = StatusTable()
