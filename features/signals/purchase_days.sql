-- Grain: one row per customer and day with a purchase.
-- Purchases on the same day count once (Fader, Hardie and Lee 2005, Marketing Science 24(2), p. 276).
SELECT customer_id, day, SUM(revenue) AS revenue
FROM known_purchases
GROUP BY customer_id, day
