"""omc.toml as types: the environments, and the names and lookups of one of them.

Whoever runs such a stack edits that file only. ``load`` finds, reads and checks it; what it may say
is in ``tables``, what it comes to in ``model``.
"""

from omc.config.load import environment_of, find, load, parse, region_of
from omc.config.model import Environment, Service, Stack
from omc.config.service_tables import Thresholds

__all__ = ["Environment", "Service", "Stack", "Thresholds", "environment_of", "find", "load", "parse", "region_of"]
