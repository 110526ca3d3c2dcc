mock_provider "aws" {}

variables {
  name                = "ohmycoins-staging"
  kms_key_arn         = "arn:aws:kms:ap-southeast-2:123456789012:key/11111111-2222-3333-4444-555555555555"
  exec_log_group_name = "/ecs/ohmycoins-staging/exec"
}

run "task_counts_are_measured" {
  command = plan

  assert {
    condition     = one([for setting in aws_ecs_cluster.this.setting : setting.value if setting.name == "containerInsights"]) == "enabled"
    error_message = "tasks-short and no-healthy need Container Insights."
  }
}

run "sessions_are_recorded" {
  command = plan

  assert {
    condition     = aws_ecs_cluster.this.configuration[0].execute_command_configuration[0].log_configuration[0].cloud_watch_log_group_name == "/ecs/ohmycoins-staging/exec"
    error_message = "What is typed in a task is recorded."
  }

  assert {
    condition     = aws_ecs_cluster.this.configuration[0].execute_command_configuration[0].kms_key_id == var.kms_key_arn
    error_message = "Sessions are encrypted."
  }
}
