# State in S3 with its lock file: a conditional PUT.
terraform {
  backend "s3" {
    key                         = "terraform/state"
    use_lockfile                = true
    use_path_style              = true
    skip_credentials_validation = true
    skip_metadata_api_check     = true
    skip_region_validation      = true
    skip_requesting_account_id  = true
  }
}

variable "turn" {
  type = string
}

resource "terraform_data" "one" {
  input = var.turn
}

output "turn" {
  value = terraform_data.one.output
}
