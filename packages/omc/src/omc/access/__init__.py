"""Who may ask omc's server for what: roles, API tokens, tokens of an identity provider, and how often each may ask.

How a request is answered isn't here (``omc.responder.api``), nor who changes the environments (``omc.engine.actors``).
"""
