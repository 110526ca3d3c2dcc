"""Facts: what the runbook asks a person to look at, read from the world as frozen values.

A module per subject holds the values and the function that reads them. A reader has no opinion: no thresholds, no
advice. ``collector`` finds out which facts a function needs and reads just those, each once, side by side.
"""
