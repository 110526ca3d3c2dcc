"""An environment's table ``backups`` of omc.toml. See ``omc.config.tables``."""

from __future__ import annotations

from typing import Annotated

from omc.config.fields import Table, key


class BackupsTable(Table, frozen=True, kw_only=True):
    """Backups of the database: how often one is restored and looked at, and which snapshots of omc's own stay."""

    verify_every_days: (
        Annotated[
            int,
            key(
                "A worker verifies the newest snapshot so often: it restores it, compares it with the database, and "
                "removes it. The morning check tells when that is overdue.",
                least=1,
                most=90,
                unit="days",
                default="never by itself",
                example=7,
            ),
        ]
        | None
    ) = None
    verify_class: (
        Annotated[
            str,
            key(
                "The class of the instance that a verification restores to. A small one takes longer to read.",
                pattern=r"db\.[a-z0-9]+\.[a-z0-9]+",
                allowed="an RDS class",
                default="the database's own",
                example="db.t4g.micro",
            ),
        ]
        | None
    ) = None
    tolerance_percent: Annotated[
        float,
        key(
            "So much of a table's rows may be missing in a backup that counts as sound: rows are written while it is "
            "taken.",
            least=0,
            most=50,
            unit="percent",
            example=0.5,
        ),
    ] = 1.0
    keep: Annotated[
        int,
        key(
            "The newest snapshots that `omc backup create` made stay, however old they are.",
            least=1,
            most=1000,
            unit="snapshots",
            example=10,
        ),
    ] = 5
    keep_days: Annotated[
        int,
        key(
            "Younger ones than this stay too. The last one that was found sound always stays.",
            least=0,
            most=3650,
            unit="days",
            example=90,
        ),
    ] = 35


BACKUPS = BackupsTable()
"""Where omc.toml says nothing."""
