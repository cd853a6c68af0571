"""What a source may say of each table's rows.

Fields differ from the ledger's columns where sources do: a price and a quantity make a revenue, a
point in time makes a day, an amount goes with its currency.
"""

from collections.abc import Mapping
from typing import Literal

__all__ = ["FIELDS", "Kind"]

# A flag says yes, no or nothing; a mark says yes, or else no.
Kind = Literal["text", "number", "day", "flag", "mark"]

FIELDS: Mapping[str, Mapping[str, Kind]] = {
    "order_lines": {
        "line_id": "text",
        "order_id": "text",
        "customer_id": "text",
        "ordered_at": "day",
        "revenue": "number",
        "unit_price": "number",
        "quantity": "number",
        "cost": "number",
        "unit_cost": "number",
        "profit": "number",
        "discount": "number",
        "product_id": "text",
        "category": "text",
        "channel": "text",
        "cancelled": "mark",
        "currency": "text",
    },
    "invoices": {
        "invoice_id": "text",
        "customer_id": "text",
        "issued_at": "day",
        "due_at": "day",
        "terms_days": "number",
        "amount": "number",
        "disputed_at": "day",
        "disputed": "flag",
        "settled_at": "day",
        "settled_amount": "number",
        "currency": "text",
    },
    "payments": {
        "payment_id": "text",
        "invoice_id": "text",
        "customer_id": "text",
        "paid_at": "day",
        "amount": "number",
        "currency": "text",
    },
    "interactions": {
        "interaction_id": "text",
        "customer_id": "text",
        "contacted_at": "day",
        "kind": "text",
        "topic": "text",
        "resolved_at": "day",
        "satisfaction": "number",
        "cost": "number",
        "campaign_id": "text",
        "currency": "text",
    },
    "customers": {
        "customer_id": "text",
        "name": "text",
        "kind": "text",
        "region": "text",
        "owner": "text",
        "acquired_at": "day",
        "marketing_consent": "flag",
        "profiling_opt_out": "flag",
        "planned_revenue": "number",
        "currency": "text",
    },
}
