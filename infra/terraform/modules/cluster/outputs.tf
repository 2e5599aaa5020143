output "name" {
  description = "The cluster's, as the load balancer's targets are tagged with."
  value       = aws_eks_cluster.this.name
}

output "file_system_id" {
  description = "The shared file system of the environments' homes."
  value       = aws_efs_file_system.home.id
}

output "image_repository" {
  description = "Where images are pushed."
  value       = aws_ecr_repository.image.repository_url
}

output "node_security_group" {
  description = "Of nodes and pods."
  value       = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}
