"""The HTTP API: what the responder knows and does, for the command line, other programs and people's own tools.

Each router is a file of its own and decides nothing: it asks the functions that the commands call too. FastAPI and all
that it brings is imported here and nowhere else in omc, and here only by `omc serve`.
"""
