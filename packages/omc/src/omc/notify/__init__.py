"""Getting pages to people: the sender that takes them out of the outbox, and the channels that carry them.

``delivery`` sends, ``model`` decides what comes next, ``text`` writes for each medium, ``channels`` speak to the world,
``slack_socket`` listens to what people answer in Slack. Nothing here knows what an incident is.
"""
