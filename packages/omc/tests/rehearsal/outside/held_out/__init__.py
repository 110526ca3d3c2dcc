"""Stories by somebody who hasn't seen what answers them: a module a file, each with ``STORIES`` as in ``tuned``.

What a story is: ``rehearsal.outside.story.Story``; the ways to break things: ``rehearsal.outside.world.World``.
"""
