"""Order lines: returns and cancelled orders are negative, whatever sign their source writes."""

from features.cleaning.rules import Fault, Reading, Rules

__all__ = ["ORDER_LINES"]


def _faults(reading: Reading) -> list[Fault]:
    faults = [Fault("revenue IS NULL", "revenue is missing")]
    faults += [
        Fault(f"read_{name} IS NULL", f"{name} is missing")
        for name in ("order_id", "line_id")
        if name in reading.present
    ]
    if reading.source.cancelled_rows == "void":
        faults.append(Fault("is_cancelled", "the order was cancelled"))
    return faults


# A credit is a credit however its source writes the sign.
_SIGNED = "CASE WHEN is_return THEN -ABS({0}) ELSE {0} END"

ORDER_LINES = Rules(
    required={
        "customer_id": (("customer_id",),),
        "ordered_at": (("ordered_at",),),
        "revenue (or unit_price and quantity)": (("revenue",), ("unit_price", "quantity")),
    },
    day_fields={"day": "ordered_at"},
    columns={
        "given_revenue": "COALESCE(read_revenue, read_quantity * read_unit_price)",
        "is_cancelled": """read_cancelled
            OR COALESCE(starts_with(read_order_id, $cancelled_prefix), FALSE)""",
        "is_return": """COALESCE(read_quantity < 0, FALSE) OR COALESCE(given_revenue < 0, FALSE)
            OR is_cancelled""",
        "given_cost": """COALESCE(
            read_cost, read_quantity * read_unit_cost, given_revenue - read_profit)""",
        "revenue": _SIGNED.format("given_revenue"),
        "quantity": _SIGNED.format("read_quantity"),
        "cost": _SIGNED.format("given_cost"),
        "discount": "ABS(read_discount)",
    },
    faults=_faults,
    # Many systems count lines within the order.
    key=("order_id", "line_id"),
    named_by="line_id",
    same_by=("read_order_id", "read_line_id"),
    money=("revenue", "cost", "discount"),
    # Where a source has no orders, a customer's lines of one day are one.
    published={"order_id": "COALESCE(order_id, unified_id || ' ' || read_ordered_at)"},
)
