"""What is taken for granted of classes that live on credits."""

from __future__ import annotations


def assumed(size: str) -> str:
    """What an instance class of RDS, or a node type of ElastiCache, is assumed to hold and to be slowed to; empty where
    no class is known. Neither user guide publishes credits or baselines of its own classes (RDS's has the greatest
    bandwidth alone); EC2's has both of its instance types (Key concepts for burstable performance instances; Amazon
    EBS-optimized instance types)."""
    same = size.partition(".")[2]
    return (
        f"{size} is assumed to have the credits and the baseline of EC2's {same}, since no figure of its own was found"
        if same
        else ""
    )
