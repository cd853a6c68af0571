-- Grain: one row per customer with at least one order line known on :as_of.
-- Margins are taken over the lines whose cost is known, so that revenue - cost = gross margin holds.
WITH lines AS (
    SELECT
        customer_id,
        day,
        revenue,
        CASE WHEN revenue >= 0 THEN revenue ELSE 0 END AS sold,
        CASE WHEN revenue < 0 THEN -revenue ELSE 0 END AS returned,
        CASE WHEN revenue >= 0 AND COALESCE(quantity, 1) > 0 THEN discount END AS discount,
        CASE WHEN cost IS NOT NULL THEN revenue END AS costed_revenue,
        CASE WHEN cost IS NOT NULL THEN ABS(revenue) END AS costed_turnover,
        cost,
        revenue - cost AS margin
    FROM known_order_lines
),
sums AS (
    SELECT
        customer_id,
        SUM(sold) AS sold,
        SUM(returned) AS returned,
        SUM(discount) AS discount,
        SUM(CASE WHEN discount IS NOT NULL THEN sold END) AS discountable,
        SUM(ABS(revenue)) AS turnover,
        SUM(costed_turnover) AS costed_turnover,
        SUM(costed_revenue) AS costed_revenue,
        SUM(CASE WHEN day > :as_of - 30 THEN costed_revenue END) AS costed_revenue_30d,
        SUM(CASE WHEN day > :as_of - 90 THEN costed_revenue END) AS costed_revenue_90d,
        SUM(CASE WHEN day > :as_of - 180 THEN costed_revenue END) AS costed_revenue_180d,
        SUM(CASE WHEN day > :as_of - 365 THEN costed_revenue END) AS costed_revenue_365d,
        SUM(margin) AS gross_margin,
        SUM(CASE WHEN day > :as_of - 30 THEN margin END) AS gross_margin_30d,
        SUM(CASE WHEN day > :as_of - 90 THEN margin END) AS gross_margin_90d,
        SUM(CASE WHEN day > :as_of - 180 THEN margin END) AS gross_margin_180d,
        SUM(CASE WHEN day > :as_of - 365 THEN margin END) AS gross_margin_365d,
        SUM(CASE WHEN margin < 0 AND revenue > 0 THEN revenue ELSE 0 END) AS sold_at_loss,
        SUM(CASE WHEN costed_revenue > 0 THEN costed_revenue ELSE 0 END) AS costed_sold,
        MAX(day) AS last_day
    FROM lines
    GROUP BY customer_id
),
service AS (
    SELECT
        customer_id,
        SUM(cost) AS cost_to_serve,
        SUM(CASE WHEN day > :as_of - 365 THEN cost ELSE cost * 0 END) AS cost_to_serve_365d
    FROM known_interactions
    GROUP BY customer_id
)
SELECT
    sums.customer_id,
    sums.gross_margin,
    -- Where nothing was traded in a window nothing was earned in it; where only lines without a
    -- cost were, nobody knows.
    CASE
        WHEN sums.gross_margin IS NOT NULL AND sums.last_day <= :as_of - 30 THEN 0
        ELSE sums.gross_margin_30d
    END AS gross_margin_30d,
    CASE
        WHEN sums.gross_margin IS NOT NULL AND sums.last_day <= :as_of - 90 THEN 0
        ELSE sums.gross_margin_90d
    END AS gross_margin_90d,
    CASE
        WHEN sums.gross_margin IS NOT NULL AND sums.last_day <= :as_of - 180 THEN 0
        ELSE sums.gross_margin_180d
    END AS gross_margin_180d,
    CASE
        WHEN sums.gross_margin IS NOT NULL AND sums.last_day <= :as_of - 365 THEN 0
        ELSE sums.gross_margin_365d
    END AS gross_margin_365d,
    -- Net revenue that hardly differs from zero is no base for a rate.
    CASE
        WHEN sums.costed_revenue > sums.costed_turnover * CAST(1e-9 AS DOUBLE)
        THEN sums.gross_margin / sums.costed_revenue
    END AS gross_margin_rate,
    CASE
        WHEN sums.costed_revenue_30d > sums.costed_turnover * CAST(1e-9 AS DOUBLE)
        THEN sums.gross_margin_30d / sums.costed_revenue_30d
    END AS gross_margin_rate_30d,
    CASE
        WHEN sums.costed_revenue_90d > sums.costed_turnover * CAST(1e-9 AS DOUBLE)
        THEN sums.gross_margin_90d / sums.costed_revenue_90d
    END AS gross_margin_rate_90d,
    CASE
        WHEN sums.costed_revenue_180d > sums.costed_turnover * CAST(1e-9 AS DOUBLE)
        THEN sums.gross_margin_180d / sums.costed_revenue_180d
    END AS gross_margin_rate_180d,
    CASE
        WHEN sums.costed_revenue_365d > sums.costed_turnover * CAST(1e-9 AS DOUBLE)
        THEN sums.gross_margin_365d / sums.costed_revenue_365d
    END AS gross_margin_rate_365d,
    sums.costed_turnover / NULLIF(sums.turnover, 0) AS cost_known_share,
    sums.sold_at_loss / NULLIF(sums.costed_sold, 0) AS loss_share,
    sums.discount / NULLIF(sums.discount + sums.discountable, 0) AS discount_rate,
    sums.returned / NULLIF(sums.sold, 0) AS return_rate,
    service.cost_to_serve,
    service.cost_to_serve_365d,
    sums.gross_margin - COALESCE(service.cost_to_serve, 0) AS contribution,
    CASE
        WHEN sums.gross_margin IS NOT NULL AND sums.last_day <= :as_of - 365 THEN 0
        ELSE sums.gross_margin_365d
    END - COALESCE(service.cost_to_serve_365d, 0) AS contribution_365d
FROM sums
LEFT JOIN service ON service.customer_id = sums.customer_id
