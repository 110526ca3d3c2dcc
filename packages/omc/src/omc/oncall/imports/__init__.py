"""Rotas of other systems as ours: what could be read, what couldn't and is named, and what would change."""
