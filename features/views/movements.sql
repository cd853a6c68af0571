-- Grain: one row per calendar month from the first purchase of any customer up to :as_of.
-- Who has ended is decided as by the signal lifecycle, on every day by what was known then.
WITH purchase_days AS (
    SELECT
        customer_id,
        day,
        MIN(day) OVER (PARTITION BY customer_id) AS first_day,
        ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY day) - 1 AS frequency,
        LEAD(day) OVER (PARTITION BY customer_id ORDER BY day) AS next_day
    FROM known_purchase_days
),
judged AS (
    SELECT
        customer_id,
        day,
        first_day,
        next_day,
        -- The first day of a silence of more than four usual gaps, in whole numbers; who bought
        -- once is missed for a year.
        CASE
            WHEN frequency = 0 THEN day + 366
            ELSE day + 1 + CAST(
                (4 * (day - first_day) - (4 * (day - first_day)) % frequency) / frequency
                AS INTEGER)
        END AS end_day
    FROM purchase_days
),
events AS (
    SELECT day, 1 AS n_started, 0 AS n_resumed, 0 AS n_ended
    FROM judged
    WHERE day = first_day
    UNION ALL
    SELECT next_day AS day, 0 AS n_started, 1 AS n_resumed, 0 AS n_ended
    FROM judged
    WHERE next_day > end_day
    UNION ALL
    SELECT end_day AS day, 0 AS n_started, 0 AS n_resumed, 1 AS n_ended
    FROM judged
    WHERE end_day <= :as_of AND (next_day IS NULL OR next_day > end_day)
),
moved AS (
    SELECT
        calendar.year,
        calendar.month,
        SUM(events.n_started) AS n_started,
        SUM(events.n_resumed) AS n_resumed,
        SUM(events.n_ended) AS n_ended
    FROM events
    JOIN calendar ON calendar.day = events.day
    GROUP BY calendar.year, calendar.month
),
bought AS (
    SELECT
        calendar.year,
        calendar.month,
        COUNT(DISTINCT purchase_days.customer_id) AS n_active
    FROM purchase_days
    JOIN calendar ON calendar.day = purchase_days.day
    GROUP BY calendar.year, calendar.month
),
months AS (
    SELECT DISTINCT calendar.year, calendar.month
    FROM calendar
    WHERE calendar.day <= :as_of
        AND calendar.day >= (SELECT MIN(first_day) FROM purchase_days)
),
counted AS (
    SELECT
        months.year,
        months.month,
        COALESCE(bought.n_active, 0) AS n_active,
        COALESCE(moved.n_started, 0) AS n_started,
        COALESCE(moved.n_resumed, 0) AS n_resumed,
        COALESCE(moved.n_ended, 0) AS n_ended
    FROM months
    LEFT JOIN moved ON moved.year = months.year AND moved.month = months.month
    LEFT JOIN bought ON bought.year = months.year AND bought.month = months.month
)
SELECT
    year,
    month,
    n_active,
    n_started,
    n_resumed,
    n_ended,
    SUM(n_started + n_resumed - n_ended) OVER (
        ORDER BY year, month
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS n_customers
FROM counted
ORDER BY year, month
