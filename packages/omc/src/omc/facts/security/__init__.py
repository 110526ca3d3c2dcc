"""What the weekly security review reads: the trail of a period, refused connections, what is open, and how old keys are."""
