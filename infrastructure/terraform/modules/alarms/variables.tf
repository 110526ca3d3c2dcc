variable "name" {
  description = "Prefix of every name, such as ohmycoins-staging."
  type        = string
}

variable "alarms" {
  description = "The alarms as a table: what each watches, and how much of it for how long is too much. Without an expression a row watches its one metric; with one, the metrics are its variables."
  type = map(object({
    severity = string
    metrics = map(object({
      namespace  = string
      metric     = string
      stat       = string
      dimensions = map(string)
    }))
    expression  = optional(string)
    comparison  = string
    threshold   = number
    period      = optional(string, "standard")
    datapoints  = number
    evaluations = number
    missing     = string
    # Whether an end of all data is told like the alarm. Unlike missing = "breaching" it tells nothing of an alarm that
    # is newer than its first data.
    tells_silence = optional(bool, false)
  }))

  validation {
    condition     = alltrue([for alarm in values(var.alarms) : length(alarm.metrics) == 1 || alarm.expression != null])
    error_message = "An alarm on several metrics says by an expression what it makes of them."
  }

  validation {
    condition     = alltrue([for alarm in values(var.alarms) : length(alarm.metrics) <= 10])
    error_message = "An alarm reads ten metrics at most; CloudWatch takes no more."
  }

  validation {
    condition     = alltrue([for alarm in values(var.alarms) : alarm.datapoints >= 1 && alarm.datapoints <= alarm.evaluations])
    error_message = "datapoints is 1 to evaluations."
  }

  # The newest point of a filled metric that comes late is the filling, always: where every point must breach, such an
  # alarm sticks in OK, or pages for what is only late.
  validation {
    condition = alltrue([
      for alarm in values(var.alarms) : alarm.datapoints < alarm.evaluations if strcontains(alarm.expression == null ? "" : alarm.expression, "FILL(")
    ])
    error_message = "An alarm that fills gaps needs fewer datapoints than it has evaluations, or late data decides it."
  }

  validation {
    condition     = alltrue([for alarm in values(var.alarms) : contains(["missing", "ignore", "breaching", "notBreaching"], alarm.missing)])
    error_message = "missing is missing, ignore, breaching or notBreaching."
  }
}

variable "descriptions" {
  description = "Description of each alarm."
  type        = map(string)
}

variable "tags" {
  description = "Tags of each alarm, which the responder reads."
  type        = map(map(string))
}

variable "topic_arns" {
  description = "Topic of each severity, known once CloudWatch may publish to it: an alarm that fires before is lost."
  type        = map(string)
}

variable "periods" {
  description = "Seconds of the periods that the table calls standard and slow."
  type        = map(number)
}
