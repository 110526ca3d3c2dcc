mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com", reverse_dns_prefix = "com.amazonaws" }
  }

  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::mock" }
  }
}

variables {
  name              = "ohmycoins-staging"
  account_id        = "123456789012"
  region            = "ap-southeast-2"
  vpc_id            = "vpc-0a"
  access_log_bucket = "ohmycoins-staging-load-balancer-logs-123456789012"
}

# omc looks for them by these names.
run "the_names_are_those_that_omc_asks_for" {
  command = plan

  assert {
    condition     = aws_athena_workgroup.this.name == "ohmycoins-staging-logs" && aws_glue_catalog_database.this.name == "ohmycoins_staging_logs"
    error_message = "omc logs --engine athena asks this workgroup and this database."
  }

  assert {
    condition     = toset(keys(aws_glue_catalog_table.this)) == toset(["flow_log", "access_log"])
    error_message = "Its queries read these tables."
  }
}

run "a_query_is_ended_before_it_costs_much_and_reads_days_alone" {
  command = plan

  assert {
    condition     = aws_athena_workgroup.this.configuration[0].bytes_scanned_cutoff_per_query == 100000000000
    error_message = "The workgroup has a bound."
  }

  assert {
    condition     = alltrue([for table in aws_glue_catalog_table.this : endswith(table.parameters["storage.location.template"], "/$${day}")])
    error_message = "A partition is a day."
  }
}

# A line as AWS's user guide has it, and one whose target never answered.
run "an_access_logs_line_is_taken_apart" {
  command = plan

  assert {
    condition = alltrue([
      for line in [
        "https 2026-11-23T01:02:03.456789Z app/o/50dc 203.0.113.9:2817 10.0.11.24:8000 0.001 0.048 0.037 200 200 34 366 \"GET https://www.example.com:443/a?b=c HTTP/1.1\" \"curl/8\" ECDHE TLSv1.2 arn:aws:x:1:targetgroup/b/7 \"Root=1-67e1a2b3-0123456789abcdef01234567\" \"www.example.com\" \"arn:aws:acm:x\" 1 2026-11-23T01:02:03.400000Z \"forward\" \"-\" \"-\" \"10.0.11.24:8000\" \"200\" \"-\" \"-\" TID_1234",
        "http 2026-11-23T01:02:03.456789Z app/o/50dc 203.0.113.9:2817 - -1 -1 -1 503 - 34 366 \"- http://www.example.com:80- \" \"-\" - - arn:aws:x:1:targetgroup/b/7 \"Root=1-67e1a2b3-0123456789abcdef01234567\" \"-\" \"-\" 0 2026-11-23T01:02:03.400000Z \"forward\" \"-\" \"-\" \"-\" \"-\" \"-\" \"-\"",
        ] : length(regex("^${aws_glue_catalog_table.this["access_log"].storage_descriptor[0].ser_de_info[0].parameters["input.regex"]}$", line)
      ) == length(aws_glue_catalog_table.this["access_log"].storage_descriptor[0].columns)
    ])
    error_message = "The expression has a group for each column, and takes AWS's lines."
  }
}
