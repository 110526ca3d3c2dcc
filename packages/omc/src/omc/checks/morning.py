"""The morning check: everything that the runbook's "Morning Checks" look at, in the order in which it is shown."""

from __future__ import annotations

from omc.checks.alarms import alarms
from omc.checks.backups import backups_verified
from omc.checks.cache import cache_items
from omc.checks.causes import explained, follow_up
from omc.checks.database import database_cluster
from omc.checks.dependencies import dependencies
from omc.checks.expected import expected
from omc.checks.freshness import data_fresh, metrics_fresh
from omc.checks.jobs import jobs
from omc.checks.listeners import listeners
from omc.checks.load_balancing import error_rate, load_balancer, targets
from omc.checks.logs import recent_errors
from omc.checks.maintenance import pending_changes
from omc.checks.run import Causes, CheckList
from omc.checks.secrets import secret_rotation
from omc.checks.services import rollouts, services_running, task_starts
from omc.checks.tasks import failed_tasks
from omc.checks.traffic import traffic_usual
from omc.checks.users import users_served

MORNING = CheckList(
    "Morning check",
    (
        users_served,
        dependencies,
        services_running,
        rollouts,
        failed_tasks,
        task_starts,
        jobs,
        load_balancer,
        listeners,
        targets,
        expected,
        alarms,
        error_rate,
        traffic_usual,
        recent_errors,
        data_fresh,
        metrics_fresh,
        database_cluster,
        cache_items,
        secret_rotation,
        pending_changes,
        backups_verified,
    ),
    causes=Causes(follow_up, explained),
)
