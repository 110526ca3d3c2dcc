"""``[contacts]`` of omc.toml: people outside of the rotas who can help. See ``omc.config.tables``."""

from __future__ import annotations

from typing import Annotated, Literal

from omc.config.fields import Table, key


class ContactTable(Table, frozen=True, kw_only=True):
    """Somebody outside who can help: AWS Support, a database expert. omc pages nobody here: it shows whom to call where
    an incident's severity or its cause asks for it."""

    name: Annotated[str, key("Who that is.", pattern=r".{1,100}", allowed="a name", example="AWS Support")]
    reach: Annotated[
        tuple[Annotated[str, key("One way.", pattern=r".{1,300}", allowed="a sentence")], ...],
        key(
            "How they are reached, in the order in which it is tried. With `plan` omc says how a case is opened there.",
            allowed='sentences, ["+61 2 5550 1234, day and night"]',
            default="what `plan` comes to",
            example=["+61 2 5550 1234, day and night", "contract 4711"],
        ),
    ] = ()
    plan: (
        Annotated[
            Literal["basic", "developer", "business", "business-plus", "enterprise-on-ramp", "enterprise", "unified"],
            key(
                "AWS Support's plan of the account, where this contact is AWS Support.",
                default="it isn't AWS Support",
                example="business-plus",
            ),
        ]
        | None
    ) = None
    severities: Annotated[
        tuple[Annotated[int, key("A severity.", least=1, most=3)], ...],
        key("Shown in incidents of these severities.", allowed="severities, [1]", default="none", example=[1]),
    ] = ()
    groups: Annotated[
        tuple[Annotated[str, key("A group.", pattern=r".{1,64}", allowed="a name")], ...],
        key(
            "Shown in incidents with an alert of these: a shared dependency of omc's catalogue (`database`, `cache`, "
            "`load-balancer`, `alert delivery`) or a service.",
            allowed='a list such as ["database"]',
            default="none",
            example=["database"],
        ),
    ] = ()
