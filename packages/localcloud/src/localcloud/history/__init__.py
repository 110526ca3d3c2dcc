"""A described month, told to a cloud as if it had been: what it cost, who called, what flowed, what was measured.

``plan`` reads the description (pure), ``writing`` puts it where the services keep theirs, ``page`` takes it in. Each
anomaly has a name, so that what a review should find is known.
"""
