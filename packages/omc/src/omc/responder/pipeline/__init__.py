"""What becomes of a notification: stages that each say what they did and why. Pure, and without a clock of its own.

    deduplicate → enrich → age → mute → flap → silence → inhibit → group → route

Each stage takes what those before it found and adds to it. ``process`` puts a notification through them, and
``look_again`` an alert that was held or whose time is over; what is to be written then is an ``Outcome``. ``run`` also
lets follow what one outcome makes of other alerts, as when a cause ends and what it explained fires still.
"""

from omc.responder.pipeline.decide import look_again, process, run, run_again
from omc.responder.pipeline.repeat import reword
from omc.responder.pipeline.situation import IncidentView, Outcome, Situation, after

__all__ = ["IncidentView", "Outcome", "Situation", "after", "look_again", "process", "reword", "run", "run_again"]
