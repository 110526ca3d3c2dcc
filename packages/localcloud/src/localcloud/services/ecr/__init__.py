"""ECR: repositories of moto's, images that are real (``images``), and the addresses of their layers (``layers``)."""
