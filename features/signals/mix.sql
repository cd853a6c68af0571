-- Grain: one row per customer and category bought from by :as_of. No signal, but what the signals of
-- the mix sum up: the share of each category in the customer's purchases.
SELECT
    customer_id,
    category,
    COUNT(*) AS n_lines,
    SUM(revenue) AS revenue,
    SUM(revenue) / NULLIF(SUM(SUM(revenue)) OVER (PARTITION BY customer_id), 0) AS revenue_share
FROM known_purchases
WHERE category IS NOT NULL
GROUP BY customer_id, category
