"""Why it is broken: causes with their confidence, the path from each to users, what was ruled out and not seen."""
