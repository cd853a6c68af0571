-- Grain: one row per customer with at least one purchase known on :as_of.
-- The first purchase is not a repeat (Fader, Hardie and Lee 2005, Marketing Science 24(2), p. 276).
WITH days AS (
    SELECT
        customer_id,
        day,
        revenue,
        LAG(day) OVER (PARTITION BY customer_id ORDER BY day) AS previous_day,
        LEAD(day) OVER (PARTITION BY customer_id ORDER BY day) AS next_day
    FROM known_purchase_days
),
rhythm AS (
    SELECT
        customer_id,
        MIN(day) AS first_purchase_day,
        MAX(day) AS last_purchase_day,
        COUNT(*) AS n_purchase_days,
        COUNT(previous_day) AS frequency,
        AVG(CASE WHEN previous_day IS NOT NULL THEN revenue END) AS monetary_value,
        AVG(revenue) AS mean_purchase_revenue,
        SUM(revenue) AS purchase_revenue,
        SUM(CASE WHEN previous_day IS NULL THEN revenue END) AS first_purchase_revenue,
        SUM(CASE WHEN next_day IS NULL THEN revenue END) AS last_purchase_revenue,
        MAX(revenue) AS largest_purchase_revenue,
        AVG(CAST(day - previous_day AS DOUBLE)) AS gap_mean_days,
        -- Whole numbers up to the root, so that every engine finds the same spread.
        SQRT(CAST(
            COUNT(previous_day) * SUM((day - previous_day) * (day - previous_day))
            - SUM(day - previous_day) * SUM(day - previous_day) AS DOUBLE))
            / NULLIF(COUNT(previous_day), 0) AS gap_spread_days,
        MAX(day - previous_day) AS gap_longest_days,
        SUM(CASE WHEN day > :as_of - 30 THEN 1 ELSE 0 END) AS purchase_days_30d,
        SUM(CASE WHEN day > :as_of - 90 THEN 1 ELSE 0 END) AS purchase_days_90d,
        SUM(CASE WHEN day > :as_of - 180 THEN 1 ELSE 0 END) AS purchase_days_180d,
        SUM(CASE WHEN day > :as_of - 365 THEN 1 ELSE 0 END) AS purchase_days_365d
    FROM days
    GROUP BY customer_id
),
orders AS (
    SELECT customer_id, order_id, COUNT(*) AS n_lines, SUM(quantity) AS quantity
    FROM known_purchases
    GROUP BY customer_id, order_id
),
baskets AS (
    SELECT
        customer_id,
        COUNT(*) AS n_orders,
        CAST(SUM(n_lines) AS DOUBLE) / COUNT(*) AS basket_lines,
        SUM(quantity) / NULLIF(COUNT(quantity), 0) AS basket_quantity
    FROM orders
    GROUP BY customer_id
),
products AS (
    SELECT customer_id, product_id, SUM(revenue) AS revenue
    FROM known_purchases
    WHERE product_id IS NOT NULL
    GROUP BY customer_id, product_id
),
product_mix AS (
    SELECT
        customer_id,
        COUNT(*) AS n_products,
        MAX(revenue) / NULLIF(SUM(revenue), 0) AS top_product_share,
        SUM(revenue * revenue) / NULLIF(SUM(revenue) * SUM(revenue), 0) AS product_concentration
    FROM products
    GROUP BY customer_id
),
categories AS (
    SELECT customer_id, category, COUNT(*) AS n_lines, SUM(revenue) AS revenue
    FROM known_purchases
    WHERE category IS NOT NULL
    GROUP BY customer_id, category
),
category_mix AS (
    SELECT
        customer_id,
        COUNT(*) AS n_categories,
        MAX(n_lines) AS most_lines,
        MAX(revenue) / NULLIF(SUM(revenue), 0) AS top_category_share,
        SUM(revenue * revenue) / NULLIF(SUM(revenue) * SUM(revenue), 0) AS category_concentration
    FROM categories
    GROUP BY customer_id
),
favourites AS (
    -- Two that lead together are no favourite; whichever sorts first would depend on the engine.
    SELECT
        categories.customer_id,
        CASE
            WHEN MIN(categories.category) = MAX(categories.category) THEN MIN(categories.category)
        END AS favourite_category
    FROM categories
    JOIN category_mix
        ON category_mix.customer_id = categories.customer_id
        AND category_mix.most_lines = categories.n_lines
    GROUP BY categories.customer_id
),
money AS (
    SELECT
        customer_id,
        SUM(revenue) AS revenue,
        SUM(CASE WHEN day > :as_of - 30 THEN revenue ELSE 0 END) AS revenue_30d,
        SUM(CASE WHEN day > :as_of - 90 THEN revenue ELSE 0 END) AS revenue_90d,
        SUM(CASE WHEN day > :as_of - 180 THEN revenue ELSE 0 END) AS revenue_180d,
        SUM(CASE WHEN day > :as_of - 365 THEN revenue ELSE 0 END) AS revenue_365d,
        SUM(CASE WHEN day > :as_of - 730 AND day <= :as_of - 365 THEN revenue ELSE 0 END)
            AS revenue_previous_365d,
        SUM(CASE WHEN day > :as_of - 1095 AND day <= :as_of - 730 THEN revenue ELSE 0 END)
            AS revenue_before_730d
    FROM known_order_lines
    GROUP BY customer_id
)
SELECT
    rhythm.customer_id,
    rhythm.frequency,
    rhythm.last_purchase_day - rhythm.first_purchase_day AS recency,
    :as_of - rhythm.first_purchase_day AS "T",
    rhythm.monetary_value,
    :as_of - rhythm.last_purchase_day AS days_since_last_purchase,
    rhythm.first_purchase_day,
    rhythm.last_purchase_day,
    rhythm.n_purchase_days,
    rhythm.mean_purchase_revenue,
    rhythm.purchase_revenue,
    rhythm.first_purchase_revenue,
    rhythm.last_purchase_revenue,
    rhythm.largest_purchase_revenue,
    money.revenue,
    money.revenue_30d,
    money.revenue_90d,
    money.revenue_180d,
    money.revenue_365d,
    money.revenue_previous_365d,
    rhythm.purchase_days_30d,
    rhythm.purchase_days_90d,
    rhythm.purchase_days_180d,
    rhythm.purchase_days_365d,
    -- A year that hardly differs from zero is no base for a growth.
    CASE
        WHEN :as_of - rhythm.first_purchase_day < 729 THEN NULL
        WHEN money.revenue_previous_365d > rhythm.purchase_revenue * CAST(1e-9 AS DOUBLE)
        THEN (money.revenue_365d - money.revenue_previous_365d) / money.revenue_previous_365d
    END AS revenue_growth_rate,
    CASE
        WHEN :as_of - rhythm.first_purchase_day < 1094 THEN NULL
        WHEN money.revenue_before_730d <= rhythm.purchase_revenue * CAST(1e-9 AS DOUBLE) THEN NULL
        WHEN money.revenue_365d - money.revenue_previous_365d
                > rhythm.purchase_revenue * CAST(1e-9 AS DOUBLE)
            AND money.revenue_previous_365d - money.revenue_before_730d
                > rhythm.purchase_revenue * CAST(1e-9 AS DOUBLE)
        THEN 1
        ELSE 0
    END AS is_growing_two_years,
    rhythm.gap_mean_days,
    rhythm.gap_spread_days,
    rhythm.gap_longest_days,
    CAST(:as_of - rhythm.last_purchase_day AS DOUBLE) / rhythm.gap_mean_days AS silence_ratio,
    baskets.n_orders,
    baskets.basket_lines,
    rhythm.purchase_revenue / baskets.n_orders AS basket_revenue,
    baskets.basket_quantity,
    product_mix.n_products,
    product_mix.top_product_share,
    product_mix.product_concentration,
    category_mix.n_categories,
    category_mix.top_category_share,
    category_mix.category_concentration,
    favourites.favourite_category,
    -- Silence is measured by the customer's own rhythm; who bought once has none yet and is given
    -- a quarter to come back and a year to be missed.
    CASE
        WHEN rhythm.frequency = 0 AND :as_of - rhythm.first_purchase_day <= 90 THEN 'new'
        WHEN rhythm.frequency = 0 AND :as_of - rhythm.first_purchase_day <= 365 THEN 'silent'
        WHEN rhythm.frequency = 0 THEN 'ended'
        WHEN :as_of - rhythm.last_purchase_day <= rhythm.gap_mean_days THEN 'active'
        WHEN :as_of - rhythm.last_purchase_day <= rhythm.gap_mean_days * 2 THEN 'slowing'
        WHEN :as_of - rhythm.last_purchase_day <= rhythm.gap_mean_days * 4 THEN 'silent'
        ELSE 'ended'
    END AS lifecycle
FROM rhythm
JOIN baskets ON baskets.customer_id = rhythm.customer_id
JOIN money ON money.customer_id = rhythm.customer_id
LEFT JOIN product_mix ON product_mix.customer_id = rhythm.customer_id
LEFT JOIN category_mix ON category_mix.customer_id = rhythm.customer_id
LEFT JOIN favourites ON favourites.customer_id = rhythm.customer_id
