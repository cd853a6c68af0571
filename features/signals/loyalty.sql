-- Grain: one row per customer with at least one purchase known on :as_of.
-- Whether a contact was followed by a purchase is judged once its time is up, 30 days after a visit
-- (its own day counts) and 90 days after a complaint (its own day does not). Judged sooner where the
-- purchase came sooner, young contacts would all be successes.
WITH attendance AS (
    SELECT
        customer_id,
        MIN(day) AS first_day,
        MAX(day) AS last_day,
        COUNT(*) AS n_days,
        MAX(CASE WHEN day > :as_of - 90 THEN 1 ELSE 0 END)
        + MAX(CASE WHEN day > :as_of - 180 AND day <= :as_of - 90 THEN 1 ELSE 0 END)
        + MAX(CASE WHEN day > :as_of - 270 AND day <= :as_of - 180 THEN 1 ELSE 0 END)
        + MAX(CASE WHEN day > :as_of - 360 AND day <= :as_of - 270 THEN 1 ELSE 0 END)
            AS n_quarters_bought
    FROM known_purchase_days
    GROUP BY customer_id
),
bargains_by_channel AS (
    SELECT
        customer_id,
        channel,
        SUM(CASE WHEN discount > 0 THEN revenue WHEN discount IS NOT NULL THEN 0 END)
            AS discounted_revenue,
        SUM(CASE WHEN discount IS NOT NULL THEN revenue END) AS discountable_revenue
    FROM known_purchases
    GROUP BY customer_id, channel
),
bargains AS (
    SELECT
        customer_id,
        SUM(discounted_revenue) AS discounted_revenue,
        SUM(discountable_revenue) AS discountable_revenue,
        NULLIF(COUNT(channel), 0) AS n_channels
    FROM bargains_by_channel
    GROUP BY customer_id
),
contacts AS (
    SELECT
        customer_id,
        SUM(CASE WHEN day > :as_of - 365 THEN 1 ELSE 0 END) AS n_contacts_365d,
        SUM(CASE WHEN kind = 'visit' THEN 1 ELSE 0 END) AS n_visits,
        SUM(CASE WHEN kind = 'visit' AND day > :as_of - 365 THEN 1 ELSE 0 END) AS n_visits_365d,
        MAX(CASE WHEN kind = 'visit' THEN day END) AS last_visit_day,
        SUM(CASE WHEN kind = 'campaign_contact' THEN 1 ELSE 0 END) AS n_campaign_contacts,
        SUM(CASE WHEN kind = 'campaign_response' THEN 1 ELSE 0 END) AS n_campaign_responses,
        SUM(CASE WHEN kind = 'complaint' THEN 1 ELSE 0 END) AS n_complaints,
        SUM(CASE WHEN kind = 'complaint' AND day > :as_of - 365 THEN 1 ELSE 0 END)
            AS n_complaints_365d,
        SUM(CASE
            WHEN kind = 'complaint' AND topic = 'quality' THEN 1
            WHEN kind = 'complaint' AND topic IS NOT NULL THEN 0
        END) AS n_complaints_quality,
        SUM(CASE
            WHEN kind = 'complaint' AND topic = 'contract' THEN 1
            WHEN kind = 'complaint' AND topic IS NOT NULL THEN 0
        END) AS n_complaints_contract,
        SUM(CASE
            WHEN kind = 'complaint' AND topic = 'transport' THEN 1
            WHEN kind = 'complaint' AND topic IS NOT NULL THEN 0
        END) AS n_complaints_transport,
        SUM(CASE
            WHEN kind = 'complaint' AND topic = 'service' THEN 1
            WHEN kind = 'complaint' AND topic IS NOT NULL THEN 0
        END) AS n_complaints_service,
        SUM(CASE WHEN kind = 'complaint' AND resolved_day IS NULL THEN 1 ELSE 0 END)
            AS n_complaints_open,
        MIN(CASE WHEN kind = 'complaint' AND resolved_day IS NULL THEN day END)
            AS open_complaint_day,
        AVG(CASE WHEN kind = 'complaint' THEN CAST(resolved_day - day AS DOUBLE) END)
            AS resolution_mean_days,
        AVG(satisfaction) AS satisfaction_mean,
        AVG(CASE WHEN day > :as_of - 180 THEN satisfaction END) AS satisfaction_lately,
        AVG(CASE WHEN day <= :as_of - 180 THEN satisfaction END) AS satisfaction_before
    FROM known_interactions
    GROUP BY customer_id
),
campaigns AS (
    SELECT
        customer_id,
        campaign_id,
        MAX(CASE WHEN kind = 'campaign_contact' THEN 1 ELSE 0 END) AS is_contacted,
        MAX(CASE WHEN kind = 'campaign_response' THEN 1 ELSE 0 END) AS is_answered
    FROM known_interactions
    WHERE campaign_id IS NOT NULL AND kind IN ('campaign_contact', 'campaign_response')
    GROUP BY customer_id, campaign_id
),
answers AS (
    SELECT
        customer_id,
        SUM(is_contacted) AS n_campaigns,
        SUM(is_contacted * is_answered) AS n_answered
    FROM campaigns
    GROUP BY customer_id
),
followed AS (
    SELECT
        known_interactions.customer_id,
        known_interactions.interaction_id,
        known_interactions.kind,
        known_interactions.day,
        MIN(known_purchase_days.day) AS next_purchase_day
    FROM known_interactions
    LEFT JOIN known_purchase_days
        ON known_purchase_days.customer_id = known_interactions.customer_id
        AND known_purchase_days.day >= known_interactions.day
            + CASE WHEN known_interactions.kind = 'visit' THEN 0 ELSE 1 END
        AND known_purchase_days.day <= known_interactions.day
            + CASE WHEN known_interactions.kind = 'visit' THEN 30 ELSE 90 END
    WHERE
        (known_interactions.kind = 'visit' AND known_interactions.day <= :as_of - 30)
        OR (known_interactions.kind = 'complaint' AND known_interactions.day <= :as_of - 90)
    GROUP BY
        known_interactions.customer_id,
        known_interactions.interaction_id,
        known_interactions.kind,
        known_interactions.day
),
reactions AS (
    SELECT
        customer_id,
        SUM(CASE WHEN kind = 'visit' THEN 1 ELSE 0 END) AS n_visits_judged,
        SUM(CASE WHEN kind = 'visit' AND next_purchase_day IS NOT NULL THEN 1 ELSE 0 END)
            AS n_visits_followed,
        SUM(CASE WHEN kind = 'complaint' THEN 1 ELSE 0 END) AS n_complaints_judged,
        SUM(CASE WHEN kind = 'complaint' AND next_purchase_day IS NOT NULL THEN 1 ELSE 0 END)
            AS n_complaints_followed
    FROM followed
    GROUP BY customer_id
),
origins AS (
    -- Of customers one row each is promised; were there two, no signal may stand twice.
    SELECT customer_id, MIN(acquired_day) AS acquired_day
    FROM known_customers
    GROUP BY customer_id
)
SELECT
    attendance.customer_id,
    -- Who was won before the first purchase the ledger knows has been a customer for longer.
    CASE
        WHEN origins.acquired_day < attendance.first_day
        THEN :as_of - origins.acquired_day
        ELSE :as_of - attendance.first_day
    END AS tenure_days,
    CAST((attendance.n_days - 1) * 365 AS DOUBLE) / NULLIF(:as_of - attendance.first_day, 0) AS repeat_rate,
    CAST(attendance.n_quarters_bought AS DOUBLE) / CASE
        WHEN :as_of - attendance.first_day < 90 THEN 1
        WHEN :as_of - attendance.first_day < 180 THEN 2
        WHEN :as_of - attendance.first_day < 270 THEN 3
        ELSE 4
    END AS regularity_share,
    bargains.discounted_revenue / NULLIF(bargains.discountable_revenue, 0) AS on_discount_share,
    bargains.n_channels,
    contacts.n_contacts_365d,
    contacts.n_visits,
    contacts.n_visits_365d,
    :as_of - contacts.last_visit_day AS days_since_last_visit,
    CAST(reactions.n_visits_followed AS DOUBLE) / NULLIF(reactions.n_visits_judged, 0)
        AS visit_response_share,
    contacts.n_campaign_contacts,
    contacts.n_campaign_responses,
    CAST(answers.n_answered AS DOUBLE) / NULLIF(answers.n_campaigns, 0) AS campaign_response_share,
    contacts.n_complaints,
    contacts.n_complaints_365d,
    contacts.n_complaints_quality,
    contacts.n_complaints_contract,
    contacts.n_complaints_transport,
    contacts.n_complaints_service,
    contacts.n_complaints_open,
    :as_of - contacts.open_complaint_day AS complaint_open_days,
    contacts.resolution_mean_days,
    CAST(reactions.n_complaints_followed AS DOUBLE) / NULLIF(reactions.n_complaints_judged, 0)
        AS complaint_tolerance_share,
    contacts.satisfaction_mean,
    contacts.satisfaction_lately - contacts.satisfaction_before AS satisfaction_trend,
    -- After Oliver (1999, Journal of Marketing 63, p. 35): loyalty grows from knowing over liking to
    -- doing. Doing: bought in three of the last four quarters. Liking: came back, and answered a
    -- campaign, stayed after a complaint or is satisfied. Knowing: bought within the last year.
    CASE
        WHEN attendance.n_quarters_bought >= 3 THEN 'behavioural'
        WHEN attendance.last_day <= :as_of - 365 THEN NULL
        WHEN attendance.n_days > 1 AND (
            answers.n_answered > 0
            OR reactions.n_complaints_followed > 0
            OR contacts.satisfaction_mean > CAST(0.7 AS DOUBLE) - CAST(1e-9 AS DOUBLE)
        ) THEN 'affective'
        ELSE 'cognitive'
    END AS loyalty_level
FROM attendance
JOIN bargains ON bargains.customer_id = attendance.customer_id
LEFT JOIN contacts ON contacts.customer_id = attendance.customer_id
LEFT JOIN answers ON answers.customer_id = attendance.customer_id
LEFT JOIN reactions ON reactions.customer_id = attendance.customer_id
LEFT JOIN origins ON origins.customer_id = attendance.customer_id
