"""Customers: one row each, and of several that are one the strictest consent."""

from features.cleaning.rules import Rules

__all__ = ["CUSTOMERS"]

# Of each id the last row counts, of each customer then the strictest of these.
_LAST_OF_EACH_ID = "FILTER (nth_of_key = 1) OVER (PARTITION BY reason, unified_id)"

CUSTOMERS = Rules(
    required={"customer_id": (("customer_id",),)},
    day_fields={"acquired_day": "acquired_at"},
    columns={"attributes": "read_attributes"},
    key=("customer_id",),
    named_by="customer_id",
    same_by=("unified_id",),
    money=("planned_revenue",),
    over_twins={
        "strictest_consent": f"MIN(marketing_consent) {_LAST_OF_EACH_ID}",
        "strictest_opt_out": f"MAX(profiling_opt_out) {_LAST_OF_EACH_ID}",
    },
    published={
        "marketing_consent": "CASE WHEN strictest_consent = 0 THEN 0 ELSE marketing_consent END",
        "profiling_opt_out": "CASE WHEN strictest_opt_out = 1 THEN 1 ELSE profiling_opt_out END",
    },
)
