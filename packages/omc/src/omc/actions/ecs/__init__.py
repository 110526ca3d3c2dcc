"""Actions on ECS, a module a verb. Importing the package registers them all."""

from omc.actions.ecs import deregister, register_revision, roll_service, run_task, stop_deployment

__all__ = ["deregister", "register_revision", "roll_service", "run_task", "stop_deployment"]
