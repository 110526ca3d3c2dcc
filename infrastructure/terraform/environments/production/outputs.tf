output "stack" {
  description = "What omc and people need to find their way: names, ids, endpoints. Nothing secret."
  value       = module.stack
}
