-- Grain: one row per customer with at least one invoice known on :as_of.
-- Credit notes (no positive amount) ask for no money and are left out. What is less than half a cent
-- short is paid. An invoice falls overdue on the day after its due day.
WITH paid AS (
    SELECT
        customer_id,
        invoice_id,
        SUM(amount) AS amount,
        MIN(day) AS first_day,
        MAX(day) AS last_day
    FROM known_payments
    GROUP BY customer_id, invoice_id
),
instalments AS (
    SELECT
        known_payments.customer_id,
        known_payments.invoice_id,
        known_payments.day,
        SUM(SUM(known_payments.amount)) OVER (
            PARTITION BY known_payments.customer_id, known_payments.invoice_id
            ORDER BY known_payments.day
        ) AS amount_so_far
    FROM known_payments
    JOIN paid
        ON paid.customer_id = known_payments.customer_id
        AND paid.invoice_id = known_payments.invoice_id
    WHERE paid.first_day < paid.last_day
    GROUP BY known_payments.customer_id, known_payments.invoice_id, known_payments.day
),
balances AS (
    SELECT
        instalments.customer_id,
        instalments.invoice_id,
        instalments.day,
        MAX(known_invoices.amount - instalments.amount_so_far) OVER (
            PARTITION BY instalments.customer_id, instalments.invoice_id
            ORDER BY instalments.day DESC
        ) AS most_open_from_then_on
    FROM instalments
    JOIN known_invoices
        ON known_invoices.customer_id = instalments.customer_id
        AND known_invoices.invoice_id = instalments.invoice_id
),
-- The day from which on nothing was open: money that came twice does not make the first late, and a
-- cheque that bounced did not settle. A hair off half a cent, where engines might differ.
settlements AS (
    SELECT customer_id, invoice_id, MIN(day) AS settled_day
    FROM balances
    WHERE most_open_from_then_on < CAST(0.004999 AS DOUBLE)
    GROUP BY customer_id, invoice_id
),
settled AS (
    SELECT
        known_invoices.customer_id,
        known_invoices.day,
        known_invoices.due_day,
        known_invoices.disputed_day,
        known_invoices.amount,
        known_invoices.amount - COALESCE(paid.amount, 0) AS open_amount,
        CASE
            WHEN paid.first_day < paid.last_day THEN settlements.settled_day
            WHEN known_invoices.amount - paid.amount < CAST(0.004999 AS DOUBLE) THEN paid.last_day
        END AS settled_day
    FROM known_invoices
    LEFT JOIN paid
        ON paid.customer_id = known_invoices.customer_id
        AND paid.invoice_id = known_invoices.invoice_id
    LEFT JOIN settlements
        ON settlements.customer_id = known_invoices.customer_id
        AND settlements.invoice_id = known_invoices.invoice_id
    WHERE known_invoices.amount > 0
),
judged AS (
    SELECT
        customer_id,
        day,
        due_day,
        disputed_day,
        amount,
        settled_day,
        CASE WHEN settled_day IS NULL THEN open_amount ELSE 0 END AS open_amount,
        CASE
            WHEN settled_day IS NULL AND due_day < :as_of THEN open_amount ELSE 0
        END AS overdue_amount,
        -- Known once the due day has passed; judged sooner where it is paid sooner, young invoices
        -- would all be on time.
        CASE
            WHEN due_day >= :as_of THEN NULL
            WHEN settled_day IS NULL THEN CAST(:as_of AS INTEGER) - due_day
            WHEN settled_day > due_day THEN settled_day - due_day
            ELSE 0
        END AS days_late
    FROM settled
),
accounts AS (
    SELECT
        customer_id,
        COUNT(*) AS n_invoices,
        MIN(day) AS first_day,
        SUM(amount) AS invoiced_amount,
        SUM(CASE WHEN day > :as_of - 365 THEN amount ELSE 0 END) AS invoiced_amount_365d,
        SUM(open_amount) AS receivables,
        SUM(overdue_amount) AS overdue_amount,
        SUM(CASE WHEN settled_day IS NULL AND due_day < :as_of THEN 1 ELSE 0 END) AS n_overdue,
        MAX(CASE WHEN settled_day IS NULL THEN days_late END) AS overdue_oldest_days,
        AVG(CAST(settled_day - day AS DOUBLE)) AS payment_mean_days,
        COUNT(days_late) AS n_due,
        SUM(CASE WHEN days_late IS NOT NULL AND settled_day IS NOT NULL THEN 1 ELSE 0 END)
            AS n_settled,
        SUM(CASE WHEN days_late > 0 THEN 1 ELSE 0 END) AS n_late,
        AVG(CAST(days_late AS DOUBLE)) AS late_mean_days,
        MAX(days_late) AS late_worst_days,
        AVG(CASE WHEN due_day > :as_of - 180 THEN CAST(days_late AS DOUBLE) END) AS late_lately,
        AVG(CASE WHEN due_day <= :as_of - 180 THEN CAST(days_late AS DOUBLE) END) AS late_before,
        SUM(CASE WHEN disputed_day IS NOT NULL THEN 1 ELSE 0 END) AS n_disputed
    FROM judged
    GROUP BY customer_id
)
SELECT
    customer_id,
    n_invoices,
    invoiced_amount,
    invoiced_amount_365d,
    receivables,
    overdue_amount,
    overdue_amount / NULLIF(receivables, 0) AS overdue_share,
    n_overdue,
    overdue_oldest_days,
    -- Receivables in days of the sales on credit of the last year, or of the time since the first.
    receivables / NULLIF(invoiced_amount_365d, 0) * CAST(
        CASE WHEN :as_of - first_day < 364 THEN :as_of - first_day + 1 ELSE 365 END AS DOUBLE
    ) AS dso_days,
    payment_mean_days,
    late_mean_days,
    late_worst_days,
    CAST(n_late AS DOUBLE) / NULLIF(n_due, 0) AS late_share,
    late_lately - late_before AS late_trend_days,
    CAST(n_settled AS DOUBLE) / NULLIF(n_due, 0) AS paid_in_full_share,
    CAST(n_disputed AS DOUBLE) / n_invoices AS disputed_share
FROM accounts
