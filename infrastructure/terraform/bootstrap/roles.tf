locals {
  owner      = split("/", var.github_repository)[0]
  repository = split("/", var.github_repository)[1]

  # How GitHub names the repository in a subject: with the numbers of owner and repository, which nobody can take over,
  # or by names alone, as it did for repositories made before 15 July 2026.
  prefixes = concat(
    var.github_owner_id == null ? [] : ["repo:${local.owner}@${var.github_owner_id}/${local.repository}@${coalesce(var.github_repository_id, "unknown")}"],
    var.github_subjects_by_name ? ["repo:${var.github_repository}"] : [],
  )

  # Whom GitHub must say that it is. Exact subjects only: a pattern such as repo:OWNER/NAME:* trusts every branch. A job
  # with `environment:` has the environment for its subject, not its branch. Pull requests are nobody here: they hold
  # code that no one has read yet.
  contexts = {
    plan  = "ref:refs/heads/main"
    apply = "environment:${var.environment}"
    build = "ref:refs/heads/main"
  }
  subjects = { for role, context in local.contexts : role => [for prefix in local.prefixes : "${prefix}:${context}"] }

  # The audience that GitHub's token must be meant for.
  audience = "sts.${data.aws_partition.current.dns_suffix}"

  descriptions = {
    plan  = "GitHub Actions plans ${var.environment}: reads, and takes the state's lock"
    apply = "GitHub Actions applies and deploys ${var.environment}, after the environment's approval"
    build = "GitHub Actions pushes images built from main"
  }

  state_object = "arn:${data.aws_partition.current.partition}:s3:::${local.state_bucket}/${var.environment}/terraform.tfstate"

  read_state = [
    {
      Sid      = "FindState"
      Effect   = "Allow"
      Action   = ["s3:ListBucket"]
      Resource = "arn:${data.aws_partition.current.partition}:s3:::${local.state_bucket}"
    },
    {
      Sid      = "ReadState"
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = [local.state_object, "${local.state_object}.tflock"]
    },
    {
      Sid      = "LockState"
      Effect   = "Allow"
      Action   = ["s3:PutObject", "s3:DeleteObject"]
      Resource = "${local.state_object}.tflock"
    },
    {
      Sid      = "StateKey"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = aws_kms_key.this.arn
    },
  ]

  # Those that Terraform writes; nothing else reads a secret here.
  secret_arns = [
    for secret in ["secret-key", "database-user-a", "database-user-b", "responder-database"] :
    "arn:${data.aws_partition.current.partition}:secretsmanager:${var.region}:${local.account_id}:secret:${local.name}/${secret}-*"
  ]

  statements = {
    plan = concat(local.read_state, [
      {
        Sid      = "SecretsAreMade"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetRandomPassword"]
        Resource = "*" # AWS has no narrower resource for this action.
      },
      {
        # The provider reads a secret's version back at each refresh, though it keeps nothing of it.
        Sid      = "SecretsAreReadBack"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = local.secret_arns
      },
      {
        Sid       = "SecretsAreDecrypted"
        Effect    = "Allow"
        Action    = ["kms:Decrypt"]
        Resource  = "arn:${data.aws_partition.current.partition}:kms:${var.region}:${local.account_id}:key/*"
        Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${var.region}.${data.aws_partition.current.dns_suffix}" } }
      },
      {
        # ReadOnlyAccess reads data too; a plan needs none.
        Sid    = "NoData"
        Effect = "Deny"
        Action = [
          "dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan", "logs:FilterLogEvents", "logs:GetLogEvents",
          "logs:GetQueryResults", "logs:StartQuery", "rds:DownloadCompleteDBLogFile", "rds:DownloadDBLogFilePortion",
          "sqs:ReceiveMessage", "ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath",
        ]
        Resource = "*"
      },
      {
        Sid         = "NoOtherSecrets"
        Effect      = "Deny"
        Action      = ["secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue"]
        NotResource = local.secret_arns
      },
      {
        Sid         = "NoOtherObjects"
        Effect      = "Deny"
        Action      = ["s3:GetObject", "s3:GetObjectVersion"]
        NotResource = [local.state_object, "${local.state_object}.tflock"]
      },
    ])

    apply = concat(local.read_state, [
      {
        Sid      = "WriteState"
        Effect   = "Allow"
        Action   = ["s3:PutObject"]
        Resource = local.state_object
      },
      {
        # What the modules use, in this region only. A service that they come to use is added here first.
        Sid    = "Stack"
        Effect = "Allow"
        Action = [
          "acm:*", "application-autoscaling:*", "athena:*", "cloudtrail:*", "cloudwatch:*", "ec2:*", "ecr:*", "ecs:*", "elasticache:*",
          "elasticloadbalancing:*", "events:*", "glue:*", "kms:*", "logs:*", "pi:*", "rds:*", "s3:*", "secretsmanager:*", "sns:*",
          "sqs:*", "ssm:StartSession", "ssm:TerminateSession", "wafv2:*",
        ]
        Resource  = "*"
        Condition = { StringEquals = { "aws:RequestedRegion" = var.region } }
      },
      {
        # Read from the global endpoints, and what a deployment looks at first: quotas, AWS's own trouble, the budget.
        Sid    = "Look"
        Effect = "Allow"
        Action = [
          "budgets:ViewBudget", "ce:Get*", "health:Describe*", "iam:Get*", "iam:List*",
          "iam:SimulatePrincipalPolicy", "route53:Get*", "route53:List*", "servicequotas:Get*", "servicequotas:List*",
          "sts:GetCallerIdentity",
        ]
        Resource = "*"
      },
      {
        Sid    = "OwnRoles"
        Effect = "Allow"
        Action = [
          "iam:AttachRolePolicy", "iam:CreateRole", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy",
          "iam:PutRolePolicy", "iam:TagRole", "iam:UntagRole", "iam:UpdateAssumeRolePolicy", "iam:UpdateRole",
          "iam:UpdateRoleDescription",
        ]
        Resource = local.own_roles
      },
      {
        Sid       = "PassOwnRoles"
        Effect    = "Allow"
        Action    = ["iam:PassRole"]
        Resource  = local.own_roles
        Condition = { StringEquals = { "iam:PassedToService" = local.passed_to } }
      },
      {
        Sid       = "ServiceLinkedRoles"
        Effect    = "Allow"
        Action    = ["iam:CreateServiceLinkedRole"]
        Resource  = "arn:${data.aws_partition.current.partition}:iam::${local.account_id}:role/aws-service-role/*"
        Condition = { StringLike = { "iam:AWSServiceName" = local.linked_services } }
      },
      {
        # It can't raise itself, nor take away what it stands on.
        Sid    = "NotItself"
        Effect = "Deny"
        Action = [
          "iam:AttachRolePolicy", "iam:CreateRole", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy",
          "iam:PassRole", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy", "iam:UpdateRole",
        ]
        Resource = "arn:${data.aws_partition.current.partition}:iam::${local.account_id}:role/${local.name}-github-*"
      },
      {
        Sid      = "NotItsGround"
        Effect   = "Deny"
        Action   = ["s3:DeleteBucket*", "s3:PutBucket*", "s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration", "s3:DeleteObjectVersion"]
        Resource = ["arn:${data.aws_partition.current.partition}:s3:::${local.state_bucket}", "arn:${data.aws_partition.current.partition}:s3:::${local.state_bucket}/*"]
      },
      {
        Sid      = "NotItsKey"
        Effect   = "Deny"
        Action   = ["kms:DisableKey", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"]
        Resource = aws_kms_key.this.arn
      },
      ], var.zone_id == null ? [] : [
      {
        # The application's name and its certificate's proof, in this zone only.
        Sid      = "Names"
        Effect   = "Allow"
        Action   = ["route53:ChangeResourceRecordSets"]
        Resource = "arn:${data.aws_partition.current.partition}:route53:::hostedzone/${var.zone_id}"
      },
    ])

    build = [
      {
        Sid      = "RegistryLogin"
        Effect   = "Allow"
        Action   = ["ecr:GetAuthorizationToken"]
        Resource = "*" # AWS has no narrower resource for this action.
      },
      {
        Sid    = "PushImages"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages",
          "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
        ]
        Resource = values(module.registry.repository_arns)
      },
    ]
  }

  own_roles       = "arn:${data.aws_partition.current.partition}:iam::${local.account_id}:role/${local.name}-*"
  passed_to       = ["ecs-tasks.amazonaws.com", "monitoring.rds.amazonaws.com", "vpc-flow-logs.amazonaws.com"]
  linked_services = ["ecs.amazonaws.com", "ecs.application-autoscaling.amazonaws.com", "elasticache.amazonaws.com", "elasticloadbalancing.amazonaws.com", "rds.amazonaws.com", "wafv2.amazonaws.com"]
}

resource "aws_iam_openid_connect_provider" "github" {
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = [local.audience]

  tags = { Name = "github-actions" }
}

resource "aws_iam_role" "github" {
  #checkov:skip=CKV_AWS_393:The subjects are exact, in local.subjects, and asserted in tests; the check can't follow each.value.
  for_each = local.subjects

  name                 = "${local.name}-github-${each.key}"
  description          = local.descriptions[each.key]
  max_session_duration = 7200

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = "arn:${data.aws_partition.current.partition}:iam::${local.account_id}:oidc-provider/token.actions.githubusercontent.com" }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = {
          "token.actions.githubusercontent.com:aud" = local.audience
          "token.actions.githubusercontent.com:sub" = each.value
        }
      }
    }]
  })

  tags = { Name = "${local.name}-github-${each.key}" }

  depends_on = [aws_iam_openid_connect_provider.github]
}

resource "aws_iam_role_policy" "github" {
  for_each = local.statements

  name   = each.key
  role   = aws_iam_role.github[each.key].id
  policy = jsonencode({ Version = "2012-10-17", Statement = each.value })
}

resource "aws_iam_role_policy_attachment" "plan_reads" {
  role       = aws_iam_role.github["plan"].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/ReadOnlyAccess"
}
