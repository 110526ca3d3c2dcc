locals {
  arn_of_region = "${data.aws_partition.current.partition}:%s:${var.region}:${var.account_id}"

  # Only tasks of this account and region may assume the roles.
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = var.account_id }
        ArnLike      = { "aws:SourceArn" = "arn:${format(local.arn_of_region, "ecs")}:*" }
      }
    }]
  })

  # "<arn>:<json key>:<stage>:<version>" takes a part of a secret; the right to it is the right to the secret. As lists:
  # the ARN of our own is not known before it is made.
  secret_arns = concat(
    sort(distinct([for reference in values(var.secrets) : join(":", slice(split(":", reference), 0, 7))])),
    local.own_store ? [aws_secretsmanager_secret.database[0].arn] : [join(":", slice(split(":", var.store_url_secret_arn), 0, 7))],
  )

  execution_statements = [
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
    {
      Sid      = "ReadOwnSecrets"
      Effect   = "Allow"
      Action   = ["secretsmanager:GetSecretValue"]
      Resource = local.secret_arns
    },
    {
      Sid      = "DecryptOwnSecrets"
      Effect   = "Allow"
      Action   = ["kms:Decrypt"]
      Resource = [var.data_key_arn]
    },
  ]

  sms_statements = [
    {
      # A telephone number is no ARN: this lets SMS out, and publishes to no topic.
      Sid         = "SendSms"
      Effect      = "Allow"
      Action      = ["sns:Publish"]
      NotResource = ["arn:${data.aws_partition.current.partition}:sns:*:*:*"]
    },
    {
      Sid      = "KnowWhetherSmsArrive"
      Effect   = "Allow"
      Action   = ["sns:CheckIfPhoneNumberIsOptedOut", "sns:GetSMSAttributes", "sns:GetSMSSandboxAccountStatus"]
      Resource = ["*"] # AWS has no narrower resource for these actions.
    },
  ]

  task_statements = concat(
    [
      {
        Sid      = "TakeAlerts"
        Effect   = "Allow"
        Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueUrl"]
        Resource = [var.queue_arn]
      },
      {
        Sid      = "DecryptAlerts"
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = [var.operations_key_arn]
        Condition = {
          StringEquals = { "kms:ViaService" = "sqs.${var.region}.${data.aws_partition.current.dns_suffix}" }
        }
      },
      {
        # Of topics that omc.toml names and that post to the server; theirs may be another account's.
        Sid      = "ConfirmTopics"
        Effect   = "Allow"
        Action   = ["sns:ConfirmSubscription"]
        Resource = ["arn:${data.aws_partition.current.partition}:sns:${var.region}:*:*"]
      },
      {
        Sid       = "SendHeartbeat"
        Effect    = "Allow"
        Action    = ["cloudwatch:PutMetricData"]
        Resource  = ["*"] # The action takes no resource; the namespace is what it can be held to.
        Condition = { StringEquals = { "cloudwatch:namespace" = var.metric_namespace } }
      },
      {
        # Alarms that were never delivered, what an incident is opened with, and whether all is well again. Names and
        # figures of this account; no object, no secret's value, no message of another queue.
        Sid    = "Look"
        Effect = "Allow"
        Action = [
          "acm:DescribeCertificate",
          "application-autoscaling:DescribeScalableTargets", "application-autoscaling:DescribeScalingActivities",
          "application-autoscaling:DescribeScalingPolicies",
          "cloudtrail:DescribeTrails", "cloudtrail:GetTrailStatus", "cloudtrail:LookupEvents",
          "cloudwatch:DescribeAlarmHistory", "cloudwatch:DescribeAlarms",
          "cloudwatch:GetAlarmMuteRule", "cloudwatch:GetMetricData", "cloudwatch:ListAlarmMuteRules",
          "cloudwatch:ListTagsForResource",
          "ec2:DescribeFlowLogs", "ec2:DescribeNatGateways", "ec2:DescribeNetworkAcls", "ec2:DescribeRouteTables",
          "ec2:DescribeSecurityGroupRules", "ec2:DescribeSubnets",
          "ecs:DescribeServiceDeployments", "ecs:DescribeServiceRevisions", "ecs:DescribeServices",
          "ecs:DescribeTaskDefinition", "ecs:DescribeTasks", "ecs:ListServiceDeployments",
          "ecs:ListTaskDefinitions", "ecs:ListTasks",
          "elasticache:DescribeCacheClusters", "elasticache:DescribeCacheSubnetGroups", "elasticache:DescribeEvents",
          "elasticache:DescribeReplicationGroups", "elasticache:DescribeUpdateActions",
          "elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeLoadBalancerAttributes",
          "elasticloadbalancing:DescribeLoadBalancers", "elasticloadbalancing:DescribeRules",
          "elasticloadbalancing:DescribeTargetGroupAttributes", "elasticloadbalancing:DescribeTargetGroups",
          "elasticloadbalancing:DescribeTargetHealth",
          "events:ListRules", "events:ListTargetsByRule",
          "iam:ListRoles",
          "kms:DescribeKey",
          "logs:DescribeLogGroups", "logs:GetQueryResults", "logs:StopQuery",
          "pi:DescribeDimensionKeys", "pi:GetResourceMetrics",
          "rds:DescribeDBInstances", "rds:DescribeEvents", "rds:DescribePendingMaintenanceActions",
          "s3:ListAllMyBuckets",
          "secretsmanager:DescribeSecret", "secretsmanager:ListSecrets",
          "servicequotas:GetServiceQuota",
          "sns:GetTopicAttributes", "sns:ListSubscriptions", "sns:ListTopics",
          "sqs:GetQueueAttributes", "sqs:ListQueues",
        ]
        Resource = ["*"] # Most of these take no narrower resource, and a composite alarm is only shown to who may see all.
      },
      {
        Sid      = "ReadLogs"
        Effect   = "Allow"
        Action   = ["logs:FilterLogEvents", "logs:GetLogEvents", "logs:StartQuery"]
        Resource = [for name in var.log_groups_read : "arn:${format(local.arn_of_region, "logs")}:log-group:${name}:*"]
      },
      {
        # What an image says of itself: its labels and its settings, not its layers' content.
        Sid      = "ReadImages"
        Effect   = "Allow"
        Action   = ["ecr:BatchGetImage", "ecr:DescribeImages", "ecr:GetDownloadUrlForLayer"]
        Resource = ["arn:${format(local.arn_of_region, "ecr")}:repository/ohmycoins/*"]
      },
    ],
    [for statement in local.sms_statements : statement if var.sms],
  )
}

resource "aws_iam_role" "execution" {
  name               = "${local.full_name}-execution"
  description        = "ECS starts the responder: pulls the image, reads the secrets, writes the log"
  assume_role_policy = local.assume_role_policy

  tags = { Name = "${local.full_name}-execution" }
}

resource "aws_iam_role_policy" "execution" {
  name   = "start-tasks"
  role   = aws_iam_role.execution.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.execution_statements })
}

resource "aws_iam_role" "task" {
  name               = "${local.full_name}-task"
  description        = "What the responder may do: take alerts, look at the stack, send its heartbeat"
  assume_role_policy = local.assume_role_policy

  tags = { Name = "${local.full_name}-task" }
}

resource "aws_iam_role_policy" "task" {
  #checkov:skip=CKV_AWS_355:Most of the reads take no narrower resource, nor does PutMetricData, which is held to its namespace.
  #checkov:skip=CKV_AWS_290:What writes without a resource is PutMetricData, held to its namespace, and SMS, which have no ARN.
  name   = "respond"
  role   = aws_iam_role.task.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.task_statements })
}
