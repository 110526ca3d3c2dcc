"""localcloud: an AWS for ECS stacks on one machine."""
