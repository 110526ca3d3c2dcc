# The bucket is known only once bootstrap has made it in this account:
#   terraform init -backend-config="bucket=ohmycoins-staging-tfstate-<account id>"
terraform {
  backend "s3" {
    key          = "staging/terraform.tfstate"
    region       = "ap-southeast-2"
    encrypt      = true
    use_lockfile = true
  }
}
