-- Grain: one row per customer with an order line after :since and up to :as_of.
WITH sums AS (
    SELECT
        customer_id,
        SUM(revenue) AS revenue,
        CASE WHEN SUM(revenue) > 0 THEN SUM(revenue) ELSE 0 END AS positive_revenue
    FROM known_order_lines
    WHERE day > :since
    GROUP BY customer_id
),
ranked AS (
    SELECT
        sums.*,
        SUM(positive_revenue) OVER () AS total,
        SUM(positive_revenue) OVER (
            ORDER BY positive_revenue DESC, customer_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS cumulative
    FROM sums
)
SELECT
    customer_id,
    revenue,
    positive_revenue / NULLIF(total, 0) AS revenue_share,
    cumulative / NULLIF(total, 0) AS cumulative_share,
    -- The rule of the tiers: A is the smallest set of the best that reaches 80 %, so what counts is
    -- the share before. Sums of money in binary miss round shares by some 1e-16 a customer.
    CASE
        WHEN positive_revenue <= 0 THEN 'C'
        WHEN cumulative - positive_revenue < total * CAST(0.799999999 AS DOUBLE) THEN 'A'
        WHEN cumulative - positive_revenue < total * CAST(0.949999999 AS DOUBLE) THEN 'B'
        ELSE 'C'
    END AS abc_class
FROM ranked
ORDER BY positive_revenue DESC, customer_id
