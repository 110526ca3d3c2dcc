"""Pure parsers: what a queue or a webhook delivers becomes values of ``omc.responder.model``.

Each is total. Whatever bytes come in, notifications, planned work, a reason to ignore or a reason why it can't be read
come out, never an error; sizes, depths and counts are bounded.
"""
