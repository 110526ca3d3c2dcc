"""ECR: repositories of moto's, images that are real (``images``), and the addresses of their layers (``api_layers``).

``component`` finds the folder of an image; ``api`` answers the operations on images.
"""

from localcloud.services.ecr import api, api_layers
from localcloud.services.ecr.component import Images

__all__ = ["Images", "api", "api_layers"]
