-- Grain: one row per customer and calendar month with an order line up to :as_of; of customers with
-- a plan also the months without, from their first line's on. Who has a plan and never traded has
-- the month of :as_of alone. A month's plan is a twelfth of the year's.
WITH months AS (
    SELECT
        year,
        month,
        MIN(day) AS first_day,
        COUNT(*) AS n_days,
        SUM(CASE WHEN day <= :as_of THEN 1 ELSE 0 END) AS n_days_gone
    FROM calendar
    GROUP BY year, month
),
trade AS (
    SELECT
        known_order_lines.customer_id,
        calendar.year,
        calendar.month,
        MIN(known_order_lines.day) AS first_day,
        COUNT(DISTINCT CASE
            WHEN known_order_lines.revenue >= 0 AND COALESCE(known_order_lines.quantity, 1) > 0
            THEN known_order_lines.order_id
        END) AS n_orders,
        SUM(known_order_lines.revenue) AS revenue,
        SUM(known_order_lines.revenue - known_order_lines.cost) AS gross_margin
    FROM known_order_lines
    JOIN calendar ON calendar.day = known_order_lines.day
    GROUP BY known_order_lines.customer_id, calendar.year, calendar.month
),
firsts AS (
    SELECT customer_id, MIN(first_day) AS first_day
    FROM trade
    GROUP BY customer_id
),
planned AS (
    SELECT known_customers.customer_id, months.year, months.month
    FROM known_customers
    LEFT JOIN firsts ON firsts.customer_id = known_customers.customer_id
    JOIN months ON months.n_days_gone > 0
    WHERE known_customers.planned_revenue IS NOT NULL
        AND (months.first_day + months.n_days > firsts.first_day
            OR (firsts.first_day IS NULL AND months.first_day + months.n_days > :as_of))
),
grid AS (
    SELECT customer_id, year, month FROM trade
    UNION
    SELECT customer_id, year, month FROM planned
),
compared AS (
    SELECT
        grid.customer_id,
        grid.year,
        grid.month,
        COALESCE(trade.n_orders, 0) AS n_orders,
        COALESCE(trade.revenue, 0) AS revenue,
        trade.gross_margin,
        known_customers.planned_revenue / 12 AS planned_revenue,
        known_customers.planned_revenue / 12 * months.n_days_gone / months.n_days AS planned_to_date
    FROM grid
    JOIN months ON months.year = grid.year AND months.month = grid.month
    LEFT JOIN trade
        ON trade.customer_id = grid.customer_id
        AND trade.year = grid.year
        AND trade.month = grid.month
    LEFT JOIN known_customers ON known_customers.customer_id = grid.customer_id
)
SELECT
    customer_id,
    year,
    month,
    n_orders,
    revenue,
    gross_margin,
    planned_revenue,
    planned_to_date,
    revenue - planned_to_date AS plan_difference,
    CASE WHEN planned_to_date > 0 THEN revenue / planned_to_date END AS plan_rate
FROM compared
ORDER BY customer_id, year, month
