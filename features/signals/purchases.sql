-- Grain: one row a line that is a purchase and no return; every family counts purchases by it.
SELECT
    customer_id, day, order_id, revenue, quantity, product_id, category, discount, channel
FROM known_order_lines
WHERE revenue >= 0 AND COALESCE(quantity, 1) > 0
