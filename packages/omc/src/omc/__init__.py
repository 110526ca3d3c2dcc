"""omc: the runbook of a web application on AWS, as commands that are safe at 3 a.m."""

__version__ = "0.1.0"
