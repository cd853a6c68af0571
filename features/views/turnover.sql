-- Grain: one row per calendar month from the first sale of any product up to :as_of.
-- Lines without a product and returns do not count.
WITH sale_days AS (
    SELECT
        product_id,
        day,
        SUM(quantity) AS quantity,
        LAG(day) OVER (PARTITION BY product_id ORDER BY day) AS previous_day
    FROM known_purchases
    WHERE product_id IS NOT NULL
    GROUP BY product_id, day
),
spans AS (
    SELECT product_id, MIN(day) AS first_day, MAX(day) AS last_day
    FROM sale_days
    GROUP BY product_id
),
sold AS (
    SELECT
        calendar.year,
        calendar.month,
        sale_days.product_id,
        SUM(sale_days.quantity) AS quantity,
        SUM(sale_days.day - sale_days.previous_day) AS gap_days,
        COUNT(sale_days.previous_day) AS n_gaps,
        MAX(CASE WHEN sale_days.day = spans.first_day THEN 1 ELSE 0 END) AS is_new,
        MAX(CASE WHEN sale_days.day = spans.last_day AND spans.last_day <= :as_of - 90
            THEN 1 ELSE 0 END) AS is_dropped
    FROM sale_days
    JOIN spans ON spans.product_id = sale_days.product_id
    JOIN calendar ON calendar.day = sale_days.day
    GROUP BY calendar.year, calendar.month, sale_days.product_id
),
sums AS (
    SELECT
        year,
        month,
        COUNT(*) AS n_products,
        SUM(is_new) AS n_new,
        SUM(is_dropped) AS n_dropped,
        SUM(quantity) AS quantity,
        COUNT(quantity) AS n_counted,
        CAST(SUM(gap_days) AS DOUBLE) / NULLIF(SUM(n_gaps), 0) AS gap_mean_days
    FROM sold
    GROUP BY year, month
),
months AS (
    SELECT DISTINCT calendar.year, calendar.month
    FROM calendar
    WHERE calendar.day <= :as_of
        AND calendar.day >= (SELECT MIN(first_day) FROM spans)
)
SELECT
    months.year,
    months.month,
    COALESCE(sums.n_products, 0) AS n_products,
    COALESCE(sums.n_new, 0) AS n_new,
    CAST(sums.n_new AS DOUBLE) / sums.n_products AS new_share,
    COALESCE(sums.n_dropped, 0) AS n_dropped,
    CAST(sums.n_dropped AS DOUBLE) / sums.n_products AS dropped_share,
    sums.quantity,
    sums.quantity / NULLIF(sums.n_counted, 0) AS quantity_per_product,
    sums.gap_mean_days
FROM months
LEFT JOIN sums ON sums.year = months.year AND sums.month = months.month
ORDER BY months.year, months.month
