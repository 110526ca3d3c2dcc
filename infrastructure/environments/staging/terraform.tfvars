region              = "ap-southeast-2"
allowed_cidrs       = ["0.0.0.0/0"]
interface_endpoints = false
secret_key_version  = 1
log_retention_days  = 365
