"""Readers of the weekly review's performance part: what they read goes back over the period and the one before."""
