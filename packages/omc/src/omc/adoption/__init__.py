"""Adopting a stack that runs: what an account has of it, which environments that makes, and the omc.toml for them."""
