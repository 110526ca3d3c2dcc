# The bucket is known only once bootstrap has made it in this account:
#   terraform init -backend-config="bucket=ohmycoins-production-tfstate-<account id>"
# No `encrypt`: it would ask for S3's own key; without it the bucket encrypts with bootstrap's.
terraform {
  backend "s3" {
    key          = "production/terraform.tfstate"
    region       = "ap-southeast-2"
    use_lockfile = true
  }
}
