# What AWS's services write late, also after a destroy, makes a log group again, without a key and for ever. One that is
# there is taken in and given both, where the apply would stop at ResourceAlreadyExistsException.
data "aws_cloudwatch_log_groups" "there" {
  for_each = module.stack.log_groups_made_by_aws

  log_group_name_prefix = each.value
}

import {
  for_each = {
    for key, name in module.stack.log_groups_made_by_aws : key => name
    if contains(data.aws_cloudwatch_log_groups.there[key].log_group_names, name)
  }

  to = module.stack.module.monitoring.aws_cloudwatch_log_group.this[each.key]
  id = each.value
}
