"""Actions on ElastiCache, a module a subject. Importing the package registers them all."""

from omc.actions.elasticache import groups, members, parameters, updates

__all__ = ["groups", "members", "parameters", "updates"]
