"""The runbook's "Log Analysis": errors by shape, saved queries, slow statements, who talks most, a request's trace."""
