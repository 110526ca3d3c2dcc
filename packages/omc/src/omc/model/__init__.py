"""Pure values that rooms above and below each other share: what a person asks for, a plan, a release.

Nothing here reads, decides or writes, and nothing imports more than ``omc.errors``.
"""
