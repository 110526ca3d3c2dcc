region              = "ap-southeast-2"
allowed_cidrs       = ["0.0.0.0/0"]
interface_endpoints = false
secret_key_version  = 1

database_password_version = 1

log_retention_days = 365

# Nothing sends a heartbeat until a responder is deployed; then set this to true.
responder = false

# Who is told of an alarm while there is no responder; production is not planned without:
# alert_emails = { "SEV-1" = ["oncall@example.com"], "SEV-2" = ["oncall@example.com"] }

# Where browsers find it, over HTTPS; production is not planned without:
# domain_name = "app.example.com"
# zone_id     = "Z…"   # of a hosted zone here; or certificate_arn, and a record of your own

# The exchange whose quotes are stored. An example until a contract with one is signed.
exchange_url = "https://api.exchange.example"
