"""On call: people in turns, overrides, who is on call when, who would be paged. Knows no incident and sends nothing."""
