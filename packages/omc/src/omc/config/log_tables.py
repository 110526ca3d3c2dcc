"""``[logs]`` of omc.toml: saved queries of one's own, and from which size on a query is asked about."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import field

from omc.config.fields import Identifier, Table, key

LogGroups = Literal["services", "database", "flow"]


class LogQueryTable(Table, frozen=True, kw_only=True):
    """A saved Logs Insights query: `omc logs query NAME`. One that has the name of one of omc's own replaces it."""

    query: Annotated[
        str,
        key(
            "The query, as Logs Insights takes it.",
            min_length=1,
            max_length=10_000,
            allowed="a text of 10,000 characters at most",
            example="stats count(*) by bin(5m)",
        ),
    ]
    title: Annotated[str, key("What it shows.", allowed="a text", example="Requests per five minutes")] = ""
    over: Annotated[
        LogGroups,
        key("Which log groups of the environment it reads.", example="database"),
    ] = "services"
    log_groups: Annotated[
        tuple[
            Annotated[
                str,
                key(
                    "A log group.",
                    pattern=r"[^\s]*\{prefix\}[A-Za-z0-9._/#-]*",
                    allowed="names with {prefix}, such as /ecs/{prefix}/exec",
                ),
            ],
            ...,
        ],
        key(
            "These log groups instead; `{prefix}` stands for the environment's, so that only its own are read.",
            max_length=50,
            allowed='a list such as ["/ecs/{prefix}/exec"]',
            default="those of `over`",
            example=["/ecs/{prefix}/exec"],
        ),
    ] = ()


class LogsTable(Table, frozen=True, kw_only=True):
    """`omc logs`."""

    ask_above_gigabytes: Annotated[
        float,
        key(
            "A query that is estimated to look at more is asked about first.",
            least=0,
            most=1_000_000,
            unit="gigabytes",
            example=10,
        ),
    ] = 5.0
    athena_workgroup: Annotated[
        str,
        key(
            "The Athena workgroup of `--engine athena`; `{prefix}` stands for the environment's.",
            pattern=r"[A-Za-z0-9._{}-]{1,128}",
            allowed="a workgroup's name",
            example="{prefix}-logs",
        ),
    ] = "{prefix}-logs"
    queries: Annotated[dict[Identifier, LogQueryTable], key("See below.", default="none")] = field(default_factory=dict)


LOGS = LogsTable()
