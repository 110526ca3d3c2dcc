data "aws_partition" "current" {}

locals {
  # In China some services bear the partition's own prefix, most the common one. Elsewhere there is one prefix.
  own_prefix = data.aws_partition.current.partition == "aws-cn" ? ["ecr.api", "ecr.dkr"] : []
}

resource "aws_vpc_endpoint" "this" {
  for_each = var.services

  vpc_id              = var.vpc_id
  service_name        = "${contains(local.own_prefix, each.value) ? "cn." : ""}com.amazonaws.${var.region}.${each.value}"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = var.subnet_ids
  security_group_ids  = [var.security_group_id]
  private_dns_enabled = true

  # Whoever gets into the VPC can't use the endpoints to reach another account.
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = "*"
      Action    = "*"
      Resource  = "*"
      Condition = { StringEquals = { "aws:PrincipalAccount" = var.account_id } }
    }]
  })

  tags = { Name = "${var.name}-${each.value}" }
}
