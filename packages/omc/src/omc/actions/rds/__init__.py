"""Actions on RDS, a module a verb or a subject. Importing the package registers them all."""

from omc.actions.rds import (
    apply_maintenance,
    blue_green,
    create_snapshot,
    delete_snapshot,
    instances,
    modify_instance,
    reboot_instance,
    restore,
    rotate_master_secret,
    set_parameters,
)

__all__ = [
    "apply_maintenance",
    "blue_green",
    "create_snapshot",
    "delete_snapshot",
    "instances",
    "modify_instance",
    "reboot_instance",
    "restore",
    "rotate_master_secret",
    "set_parameters",
]
