CREATE TABLE coins (
    symbol     text PRIMARY KEY CHECK (symbol ~ '^[A-Z]{2,6}$'),
    name       text NOT NULL,
    base_price numeric(18, 8) NOT NULL CHECK (base_price > 0)
);

CREATE TABLE prices (
    symbol text NOT NULL REFERENCES coins,
    as_of  timestamptz NOT NULL,
    price  numeric(18, 8) NOT NULL CHECK (price > 0),
    PRIMARY KEY (symbol, as_of)
);

CREATE INDEX prices_as_of ON prices (as_of);

INSERT INTO coins VALUES
    ('BTC', 'Bitcoin', 100000),
    ('ETH', 'Ether', 4000),
    ('SOL', 'Solana', 180),
    ('XRP', 'XRP', 2.4),
    ('ADA', 'Cardano', 0.8),
    ('DOGE', 'Dogecoin', 0.2);
