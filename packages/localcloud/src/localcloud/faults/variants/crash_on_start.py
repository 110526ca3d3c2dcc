"""An application whose newest module needs a package that nobody added to the requirements."""

from importlib import import_module


def begin() -> None:
    import_module("package_that_is_missing")
