"""Readings for the review's part on costs. None of them judges, and none knows a price."""
