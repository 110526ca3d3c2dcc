"""The operator's doors: a command in a task, the database, the cache, ports, and the consoles' addresses."""
