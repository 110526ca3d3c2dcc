"""The channels, each in a file of its own; importing this registers them all in ``registry.CHANNELS``."""

from omc.notify.channels import email, ntfy, pagerduty, push, slack, sms, webhook

__all__ = ["email", "ntfy", "pagerduty", "push", "slack", "sms", "webhook"]
