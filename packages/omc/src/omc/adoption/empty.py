"""The omc.toml of a stack that isn't there yet: what has to be said, and what most stacks say next as comments."""

from __future__ import annotations

from omc.adoption.judgement import Value
from omc.adoption.toml_text import assignment, header

_MORE = """
# [environments.staging]
# region = "eu-central-1"
# account = "123456789012"             # the credentials of any other account are refused
# database = ""                        # none; or an RDS instance's name. Default: the prefix, <name>-staging
# database_cluster = "acme-staging"    # an Aurora cluster, in place of database
# cache = ""                           # none; or a replication group's name. Default: <prefix>-redis
"""
_SERVICE = """\
port = 8080                            # without a port it serves no requests, and has no target group
# ecs_service = "acme-{environment}-api"   # default: the service's name. family, container, log_group, target_group too
# minimum = 2                          # limits and target of its autoscaling, all three or none
# maximum = 10
# cpu_target = 70

# [[on_call.chain]]                    # who is paged, and after how many minutes without an acknowledgement
# role = "Primary"
# name = "Jo Smith"
# after_minutes = 0

# [channels]
# incidents = "#incidents"
"""


def empty(name: str, environment: str, region: str, time_zone: Value) -> str:
    """A file that loads, with one environment and one service."""
    values = time_zone.value, time_zone.note
    lines = [
        "# The stack that omc operates. docs/configuration.md has every key with its default; omc stack show prints",
        "# what this file comes to and compares it with AWS; omc init writes it from what runs.",
        assignment("name", name, "names begin with <name>-<environment> where nothing else is said"),
        assignment("time_zone", *values),
        "",
        header(("environments", environment)),
        assignment("region", region),
        assignment("terraform_state", "", "s3://bucket/key, once there is one"),
        assignment("audit_bucket", "", "where the head of omc's record is kept too; none yet"),
        assignment("record_log_group", "", "the same; none yet"),
        _MORE,
        header(("services", "api")),
        _SERVICE,
    ]
    return "\n".join(lines)
