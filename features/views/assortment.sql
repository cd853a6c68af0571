-- Grain: one row per product or category (grouped_by) with an order line after :since, up to :as_of.
WITH lines AS (
    SELECT
        COALESCE(grouped_by, 'unknown') AS grouped_by, customer_id, revenue, quantity, cost
    FROM known_order_lines
    WHERE day > :since
),
sums AS (
    SELECT
        grouped_by,
        COUNT(DISTINCT customer_id) AS n_customers,
        SUM(quantity) AS quantity,
        SUM(revenue) AS revenue,
        CASE WHEN SUM(revenue) > 0 THEN SUM(revenue) ELSE 0 END AS positive_revenue,
        SUM(revenue - cost) AS gross_margin,
        SUM(CASE WHEN cost IS NOT NULL THEN revenue END) AS costed_revenue,
        SUM(CASE WHEN cost IS NOT NULL THEN ABS(revenue) END) AS costed_turnover
    FROM lines
    GROUP BY grouped_by
),
ranked AS (
    SELECT
        sums.*,
        SUM(positive_revenue) OVER () AS total,
        SUM(positive_revenue) OVER (
            ORDER BY positive_revenue DESC, grouped_by
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS cumulative
    FROM sums
)
SELECT
    grouped_by,
    n_customers,
    quantity,
    revenue,
    positive_revenue / NULLIF(total, 0) AS revenue_share,
    cumulative / NULLIF(total, 0) AS cumulative_share,
    gross_margin,
    -- Net revenue that hardly differs from zero is no base for a rate.
    CASE
        WHEN costed_revenue > costed_turnover * CAST(1e-9 AS DOUBLE)
        THEN gross_margin / costed_revenue
    END AS gross_margin_rate,
    -- A is the smallest set of the best that reaches 80 %, so what counts is the share before.
    CASE
        WHEN positive_revenue <= 0 THEN 'C'
        WHEN cumulative - positive_revenue < total * CAST(0.799999999 AS DOUBLE) THEN 'A'
        WHEN cumulative - positive_revenue < total * CAST(0.949999999 AS DOUBLE) THEN 'B'
        ELSE 'C'
    END AS abc_class
FROM ranked
ORDER BY positive_revenue DESC, grouped_by
