"""``omc runbook check``: what is wrong with the commands and promises of a Markdown runbook, of anybody's."""
