# For rehearsals: AWS's own fastest values, each of which AWS would take too. How many periods make an alarm stays.
timing = {
  target_health_check    = { interval = 5, timeout = 2, healthy = 2, unhealthy = 3 }
  container_health_check = { interval = 5, timeout = 4, retries = 3, start_period = 30 }
  deregistration_delay   = 5
  scale_out_cooldown     = 10
  scale_in_cooldown      = 30
  alarm_periods          = { standard = 10, slow = 10 }
}

# The same traffic a second as the defaults, in periods of ten seconds.
traffic_floors = {
  requests      = 4
  cache_lookups = 34
}

# `omc local up` starts no responder: a heartbeat that nobody sends and a queue that nobody reads would ring in a cloud that
# is well. With `omc serve --env local` beside it, say true.
responder = false
