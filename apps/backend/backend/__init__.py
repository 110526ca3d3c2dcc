"""The Oh My Coins API: coins, prices and portfolios on PostgreSQL, with Redis as a read-through cache."""
