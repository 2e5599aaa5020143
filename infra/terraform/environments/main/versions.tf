terraform {
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "6.25.0"
    }
  }

  # Bucket, region and key are given by `terraform init -backend-config=backend.hcl` (docs/clusters.md).
  backend "s3" {
    key          = "fitwave/main.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      project = "fitwave"
      cluster = "main"
    }
  }
}
