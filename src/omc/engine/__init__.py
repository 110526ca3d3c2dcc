"""The engine: performs a plan step by step, journalled, approved, leased, so that it survives a crash."""
