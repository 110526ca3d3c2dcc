"""The responder: takes alarms in, decides what they mean, and sees that somebody answers."""
