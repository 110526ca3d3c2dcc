mock_provider "aws" {}

variables {
  name         = "ohmycoins-staging"
  periods      = { standard = 60, slow = 300 }
  topic_arns   = { "SEV-2" = "arn:aws:sns:ap-southeast-2:123456789012:ohmycoins-staging-sev-2" }
  descriptions = { plain = "One metric.", sum = "Two metrics." }
  tags         = { plain = { Severity = "SEV-2" }, sum = { Severity = "SEV-2" } }

  alarms = {
    plain = {
      severity   = "SEV-2"
      metrics    = { latency = { namespace = "AWS/ApplicationELB", metric = "TargetResponseTime", stat = "p95", dimensions = { LoadBalancer = "app/x/1" } } }
      comparison = ">", threshold = 1, datapoints = 5, evaluations = 5, missing = "notBreaching"
    }
    sum = {
      severity = "SEV-2"
      metrics = {
        a = { namespace = "AWS/SNS", metric = "NumberOfNotificationsFailed", stat = "Sum", dimensions = { TopicName = "a" } }
        b = { namespace = "AWS/SNS", metric = "NumberOfNotificationsFailed", stat = "Sum", dimensions = { TopicName = "b" } }
      }
      expression = "FILL(a, 0) + FILL(b, 0)"
      comparison = ">", threshold = 0, period = "slow", datapoints = 1, evaluations = 3, missing = "notBreaching"
    }
  }
}

run "a_row_becomes_an_alarm" {
  command = plan

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["plain"].alarm_name == "ohmycoins-staging-plain" && aws_cloudwatch_metric_alarm.this["plain"].extended_statistic == "p95" &&
      aws_cloudwatch_metric_alarm.this["plain"].period == 60 && length(aws_cloudwatch_metric_alarm.this["plain"].metric_query) == 0
    )
    error_message = "One metric as it is."
  }

  assert {
    condition = (
      length(aws_cloudwatch_metric_alarm.this["sum"].metric_query) == 3 &&
      one([for query in aws_cloudwatch_metric_alarm.this["sum"].metric_query : query.expression if query.return_data]) == "FILL(a, 0) + FILL(b, 0)"
    )
    error_message = "Two metrics and what is made of them."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : one(alarm.alarm_actions) == var.topic_arns["SEV-2"] && alarm.ok_actions == alarm.alarm_actions])
    error_message = "Each goes to the topic of its severity."
  }
}

run "an_alarm_that_late_data_decides_is_refused" {
  command = plan

  variables {
    alarms = {
      sum = {
        severity   = "SEV-2"
        metrics    = { a = { namespace = "AWS/SNS", metric = "NumberOfNotificationsFailed", stat = "Sum", dimensions = { TopicName = "a" } } }
        expression = "FILL(a, 0)", comparison = ">", threshold = 0, datapoints = 3, evaluations = 3, missing = "notBreaching"
      }
    }
  }

  expect_failures = [var.alarms]
}

run "more_metrics_than_cloudwatch_takes_are_refused" {
  command = plan

  variables {
    alarms = {
      sum = {
        severity   = "SEV-2"
        metrics    = { for number in range(11) : "m${number}" => { namespace = "AWS/SNS", metric = "NumberOfNotificationsFailed", stat = "Sum", dimensions = { TopicName = "t${number}" } } }
        expression = "SUM(METRICS())", comparison = ">", threshold = 0, datapoints = 1, evaluations = 3, missing = "notBreaching"
      }
    }
  }

  expect_failures = [var.alarms]
}

run "two_metrics_without_an_expression_are_refused" {
  command = plan

  variables {
    alarms = {
      sum = {
        severity = "SEV-2"
        metrics = {
          a = { namespace = "AWS/SNS", metric = "NumberOfNotificationsFailed", stat = "Sum", dimensions = { TopicName = "a" } }
          b = { namespace = "AWS/SNS", metric = "NumberOfNotificationsFailed", stat = "Sum", dimensions = { TopicName = "b" } }
        }
        comparison = ">", threshold = 0, datapoints = 1, evaluations = 3, missing = "notBreaching"
      }
    }
  }

  expect_failures = [var.alarms]
}
