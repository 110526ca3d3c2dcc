locals {
  # Only tasks of this account and region may assume the roles.
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = var.account_id }
        ArnLike      = { "aws:SourceArn" = "arn:${data.aws_partition.current.partition}:ecs:${var.region}:${var.account_id}:*" }
      }
    }]
  })

  # What a task of each kind gets by its execution role: <arn> or <arn>:<json key>::.
  references = {
    service   = concat(values(var.secrets), var.earlier_secrets)
    migration = var.migration == null ? [] : values(var.migration.secrets)
  }

  # "<arn>:<json key>::" takes one key of a secret; the right to it is the right to the secret.
  secret_arns = {
    for kind, references in local.references :
    kind => sort(distinct([for reference in references : join(":", slice(split(":", reference), 0, 7))]))
  }

  execution_statements = { for kind, secret_arns in local.secret_arns : kind => concat(
    [
      {
        Sid      = "RegistryLogin"
        Effect   = "Allow"
        Action   = ["ecr:GetAuthorizationToken"]
        Resource = ["*"] # AWS has no narrower resource for this action.
      },
      {
        Sid      = "PullOwnImage"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"]
        Resource = [var.repository_arn]
      },
      {
        Sid      = "WriteOwnLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["${var.log_group.arn}:*"]
      },
    ],
    length(local.references[kind]) == 0 ? [] : [
      {
        Sid      = "ReadOwnSecrets"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = secret_arns
      },
      {
        Sid      = "DecryptOwnSecrets"
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = [var.kms_key_arn]
      },
    ],
    # A database that omc restores has a master password of its own: whoever looks at it, and migrates it, reads that.
    kind != "migration" || var.restored_databases == null ? [] : [
      {
        Sid      = "ReadPasswordsOfRestoredDatabases"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = ["arn:${data.aws_partition.current.partition}:secretsmanager:${var.region}:${var.account_id}:secret:rds!db-*"]
        Condition = {
          StringLike = {
            "secretsmanager:ResourceTag/aws:rds:primaryDBInstanceArn" = "arn:${data.aws_partition.current.partition}:rds:${var.region}:${var.account_id}:db:${var.restored_databases}"
          }
        }
      },
    ],
  ) }

  # What the application itself may do is nothing: it talks to its database and its cache. These are ECS Exec's.
  task_statements = [
    {
      Sid    = "ExecChannels"
      Effect = "Allow"
      Action = [
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
      ]
      Resource = ["*"] # AWS has no narrower resource for these actions.
    },
    {
      Sid      = "ExecSessionKey"
      Effect   = "Allow"
      Action   = ["kms:Decrypt"]
      Resource = [var.kms_key_arn]
    },
    {
      Sid      = "ExecLogGroups"
      Effect   = "Allow"
      Action   = ["logs:DescribeLogGroups"]
      Resource = ["*"] # AWS has no narrower resource for this action.
    },
    {
      Sid      = "ExecSessionLog"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
      Resource = ["${var.exec_log_group_arn}:*"]
    },
  ]
}

resource "aws_iam_role" "execution" {
  name               = "${local.full_name}-execution"
  description        = "ECS starts tasks of ${var.service}: pulls the image, reads the secrets, writes the log"
  assume_role_policy = local.assume_role_policy

  tags = { Name = "${local.full_name}-execution" }
}

resource "aws_iam_role_policy" "execution" {
  name   = "start-tasks"
  role   = aws_iam_role.execution.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.execution_statements.service })
}

resource "aws_iam_role" "migration" {
  count = var.migration == null ? 0 : 1

  name               = "${local.full_name}-migration"
  description        = "ECS starts the migration of ${var.service}: as for its tasks, with the migration's secrets"
  assume_role_policy = local.assume_role_policy

  tags = { Name = "${local.full_name}-migration" }
}

resource "aws_iam_role_policy" "migration" {
  count = var.migration == null ? 0 : 1

  name   = "start-migration"
  role   = aws_iam_role.migration[0].id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.execution_statements.migration })
}

resource "aws_iam_role" "task" {
  name               = "${local.full_name}-task"
  description        = "What a running task of ${var.service} may do"
  assume_role_policy = local.assume_role_policy

  tags = { Name = "${local.full_name}-task" }
}

resource "aws_iam_role_policy" "task" {
  #checkov:skip=CKV_AWS_355:ssmmessages and DescribeLogGroups take no narrower resource.
  #checkov:skip=CKV_AWS_290:ssmmessages takes no narrower resource and no condition.
  name   = "exec"
  role   = aws_iam_role.task.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.task_statements })
}
