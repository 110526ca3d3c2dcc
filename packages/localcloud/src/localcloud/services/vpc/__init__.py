"""What a VPC does to connections: who reaches whom, what is dropped, and the flow logs of both."""

from localcloud.services.vpc.component import Network

__all__ = ["Network"]
