# The bucket is known only once bootstrap has made it in this account:
#   terraform init -backend-config="bucket=ohmycoins-production-tfstate-<account id>"
terraform {
  backend "s3" {
    key          = "production/terraform.tfstate"
    region       = "ap-southeast-2"
    encrypt      = true
    use_lockfile = true
  }
}
