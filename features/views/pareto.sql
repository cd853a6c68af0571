-- Grain: one row per whole percent of the customers with an order line after :since and up to
-- :as_of, the best first, and the origin; where they are fewer than 100, one row per customer.
WITH sums AS (
    SELECT
        customer_id,
        CASE WHEN SUM(revenue) > 0 THEN SUM(revenue) ELSE 0 END AS positive_revenue
    FROM known_order_lines
    WHERE day > :since
    GROUP BY customer_id
),
ranked AS (
    SELECT
        ROW_NUMBER() OVER (ORDER BY positive_revenue DESC, customer_id) AS n_customers,
        COUNT(*) OVER () AS n_all,
        SUM(positive_revenue) OVER () AS total,
        SUM(positive_revenue) OVER (
            ORDER BY positive_revenue DESC, customer_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS revenue
    FROM sums
),
points AS (
    SELECT n_customers, n_all, total, revenue
    FROM ranked
    -- The first customer with whom a whole percent is reached.
    WHERE (n_customers * 100 - (n_customers * 100) % n_all)
        > ((n_customers - 1) * 100 - ((n_customers - 1) * 100) % n_all)
    UNION ALL
    SELECT 0 AS n_customers, n_all, total, CAST(0 AS DOUBLE) AS revenue
    FROM ranked
    WHERE n_customers = 1
)
SELECT
    n_customers,
    CAST(n_customers AS DOUBLE) / n_all AS customer_share,
    revenue,
    revenue / NULLIF(total, 0) AS revenue_share
FROM points
ORDER BY n_customers
