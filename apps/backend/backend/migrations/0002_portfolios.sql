CREATE TABLE portfolios (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE holdings (
    portfolio uuid NOT NULL REFERENCES portfolios ON DELETE CASCADE,
    symbol    text NOT NULL REFERENCES coins,
    quantity  numeric(24, 8) NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (portfolio, symbol)
);
