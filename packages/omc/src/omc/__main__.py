"""``python -m omc`` is the command ``omc``."""

from omc.cli.main import main

main()
