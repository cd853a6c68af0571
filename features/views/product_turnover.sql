-- Grain: one row per product sold up to :as_of.
-- Lines without a product and returns do not count.
WITH sale_days AS (
    SELECT product_id, day, SUM(quantity) AS quantity
    FROM known_purchases
    WHERE product_id IS NOT NULL
    GROUP BY product_id, day
),
sums AS (
    SELECT
        product_id,
        MIN(day) AS first_day,
        MAX(day) AS last_day,
        COUNT(*) AS n_sale_days,
        SUM(quantity) AS quantity
    FROM sale_days
    GROUP BY product_id
)
SELECT
    product_id,
    n_sale_days,
    :as_of - first_day AS days_since_first_sale,
    :as_of - last_day AS days_since_last_sale,
    CAST(last_day - first_day AS DOUBLE) / NULLIF(n_sale_days - 1, 0) AS gap_mean_days,
    quantity,
    -- A twelfth of 365 days, whatever month it is.
    quantity * 365 / 12 / (:as_of - first_day + 1) AS quantity_per_month,
    CASE WHEN first_day > :as_of - 90 THEN 1 ELSE 0 END AS is_new,
    CASE WHEN last_day <= :as_of - 90 THEN 1 ELSE 0 END AS is_dropped
FROM sums
ORDER BY product_id
