"""The weekly review: costs, security and performance of the last days, and what of it is new, still there, or fixed."""
