"""Actions on ECS, a module a verb. Importing the package registers them all."""

from omc.actions.ecs import await_services, deregister, register_revision, roll_service, run_task, stop_deployment

__all__ = ["await_services", "deregister", "register_revision", "roll_service", "run_task", "stop_deployment"]
