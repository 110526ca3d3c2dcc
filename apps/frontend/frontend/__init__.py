"""The Oh My Coins page: static files that read prices from the API on the same origin. It holds no data."""
