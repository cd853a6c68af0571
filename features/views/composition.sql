-- Grain: one row per kind or region of customers (grouped_by) with an order line after :since and up to :as_of.
WITH lines AS (
    SELECT
        COALESCE(known_customers.grouped_by, 'unknown') AS grouped_by,
        known_order_lines.customer_id,
        known_order_lines.revenue,
        known_order_lines.cost
    FROM known_order_lines
    LEFT JOIN known_customers ON known_customers.customer_id = known_order_lines.customer_id
    WHERE known_order_lines.day > :since
),
parts AS (
    SELECT
        grouped_by,
        COUNT(DISTINCT customer_id) AS n_customers,
        SUM(revenue) AS revenue,
        CASE WHEN SUM(revenue) > 0 THEN SUM(revenue) ELSE 0 END AS positive_revenue,
        SUM(revenue - cost) AS gross_margin,
        SUM(CASE WHEN cost IS NOT NULL THEN revenue END) AS costed_revenue,
        SUM(CASE WHEN cost IS NOT NULL THEN ABS(revenue) END) AS costed_turnover
    FROM lines
    GROUP BY grouped_by
)
SELECT
    grouped_by,
    n_customers,
    revenue,
    positive_revenue / NULLIF(SUM(positive_revenue) OVER (), 0) AS revenue_share,
    gross_margin,
    -- Net revenue that hardly differs from zero is no base for a rate.
    CASE
        WHEN costed_revenue > costed_turnover * CAST(1e-9 AS DOUBLE)
        THEN gross_margin / costed_revenue
    END AS gross_margin_rate
FROM parts
ORDER BY revenue DESC, grouped_by
