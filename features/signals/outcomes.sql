-- Grain: one row per customer with an order line after :origin and up to :as_of.
-- What training holds forecasts against; no signal.
WITH purchases AS (
    SELECT customer_id, COUNT(DISTINCT day) AS purchases
    FROM known_purchases
    WHERE day > :origin
    GROUP BY customer_id
),
money AS (
    SELECT customer_id, SUM(revenue) AS revenue, SUM(revenue - cost) AS gross_margin
    FROM known_order_lines
    WHERE day > :origin
    GROUP BY customer_id
)
SELECT money.customer_id, purchases.purchases, money.revenue, money.gross_margin
FROM money
LEFT JOIN purchases ON purchases.customer_id = money.customer_id
