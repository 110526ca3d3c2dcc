"""What the weekly security review reads: a period of the trail, refused connections, what is open, how old keys are."""
