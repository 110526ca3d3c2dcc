"""localcloud: an AWS for this stack on one machine. It knows nothing of omc."""
