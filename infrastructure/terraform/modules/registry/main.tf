resource "aws_ecr_repository" "this" {
  for_each = var.repositories

  name = each.value
  # A tag that can be moved says nothing about what runs.
  image_tag_mutability = "IMMUTABLE"
  force_delete         = var.force_delete

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = var.kms_key_arn
  }

  tags = { Name = each.value }
}

resource "aws_ecr_lifecycle_policy" "this" {
  for_each = var.repositories

  repository = aws_ecr_repository.this[each.key].name

  # Images tagged release-… were verified in an environment and may be rolled back to. ECR applies a rule to images that
  # no rule of higher priority has claimed, so the first rule shields them from the others.
  policy = jsonencode({
    rules = [
      {
        rulePriority = 1
        description  = "Keep the newest ${var.released_images} released images"
        selection = {
          tagStatus     = "tagged"
          tagPrefixList = ["release-"]
          countType     = "imageCountMoreThan"
          countNumber   = var.released_images
        }
        action = { type = "expire" }
      },
      {
        rulePriority = 2
        description  = "Untagged images expire after ${var.untagged_days} days"
        selection = {
          tagStatus   = "untagged"
          countType   = "sinceImagePushed"
          countUnit   = "days"
          countNumber = var.untagged_days
        }
        action = { type = "expire" }
      },
      {
        rulePriority = 3
        description  = "Builds that were never released expire after ${var.build_days} days"
        selection = {
          tagStatus     = "tagged"
          tagPrefixList = ["build-"]
          countType     = "sinceImagePushed"
          countUnit     = "days"
          countNumber   = var.build_days
        }
        action = { type = "expire" }
      },
    ]
  })
}
