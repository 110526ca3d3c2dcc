"""Asking another omc: `omc serve` at the address in OMC_SERVER, in place of the store itself.

What it answers are the same values that the store gives, so that whoever asks shows them alike.
"""
