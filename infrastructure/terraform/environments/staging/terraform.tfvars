region              = "ap-southeast-2"
allowed_cidrs       = ["0.0.0.0/0"]
interface_endpoints = false
secret_key_version  = 1

database_password_version = 1

log_retention_days = 365

# A responder (omc serve) takes every alarm and pages people; the heartbeat alarm rings while none runs. It runs where you
# like, or here, in two tasks with a database of their own, once its image is pushed: modules/responder has what it costs.
responder     = true
run_responder = false
# responder_service = {
#   image   = "<account>.dkr.ecr.ap-southeast-2.amazonaws.com/ohmycoins/responder@sha256:…"
#   # What omc serve reads, as far as omc.toml asks for it; modules/responder lists them all.
#   secrets = { OMC_SLACK_BOT_TOKEN = "arn:aws:secretsmanager:…", OMC_SLACK_APP_TOKEN = "arn:aws:secretsmanager:…" }
# }

# Who is told by mail, past the responder. Until one runs nobody else hears an alarm, its own heartbeat's neither:
# alert_emails = { "SEV-1" = ["oncall@example.com"], "SEV-2" = ["oncall@example.com"] }

# Where browsers find it, over HTTPS; without, plain HTTP under the load balancer's name:
# domain_name = "app.example.com"
# zone_id     = "Z…"   # of a hosted zone here; or certificate_arn, and a record of your own

# The exchange whose quotes are stored. An example until a contract with one is signed.
exchange_url = "https://api.exchange.example"
