"""The doctor: which of omc's own assumptions hold in an account, in the order in which a first day goes."""

from __future__ import annotations

from omc.checks.doctor_access import environment_protection, identity, oidc_trust, permissions
from omc.checks.doctor_questions import (
    question_deployment_configuration,
    question_deployment_order,
    question_flow_log_role,
    question_runner_docker,
    question_started_by,
)
from omc.checks.doctor_record import clocks, record_kept_outside, store, terraform_state, tools, worker
from omc.checks.doctor_stack import (
    addresses,
    alarm_actions,
    alarm_reaches_a_person,
    certificate_and_name,
    exec_agents,
    log_groups,
    quotas,
)
from omc.checks.run import CheckList
from omc.checks.runbook import FIRST_DAY
from omc.checks.secrets import secret_rotation

DOCTOR = CheckList(
    "Doctor",
    (
        identity,
        permissions,
        clocks,
        oidc_trust,
        environment_protection,
        terraform_state,
        store,
        worker,
        record_kept_outside,
        alarm_actions,
        alarm_reaches_a_person,
        log_groups,
        certificate_and_name,
        secret_rotation,
        exec_agents,
        quotas,
        addresses,
        tools,
        question_deployment_order,
        question_deployment_configuration,
        question_started_by,
        question_flow_log_role,
        question_runner_docker,
    ),
    runbook=FIRST_DAY,
)
