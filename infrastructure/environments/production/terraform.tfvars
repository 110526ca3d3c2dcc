region              = "ap-southeast-2"
allowed_cidrs       = ["0.0.0.0/0"]
interface_endpoints = false
secret_key_version  = 1

database_password_version = 1

log_retention_days = 365

# Nothing sends a heartbeat until a responder is deployed; then set this to true.
responder = false

# The exchange whose quotes are stored. An example until a contract with one is signed.
exchange_url = "https://api.exchange.example"
