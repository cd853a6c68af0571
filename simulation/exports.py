"""The same company as its own systems would export it: other column names, dates, flags."""

from collections.abc import Mapping
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc

from simulation.blocks import Block
from simulation.columns import numbered_text
from simulation.tables import canonical_table

__all__ = ["SETTINGS", "export_table"]

# From the field of a source to the canonical column that it comes from.
_FIELDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "order_lines": {
            "order_id": "order_id",
            "line_id": "line_id",
            "customer_id": "customer_id",
            "ordered_at": "day",
            "revenue": "revenue",
            "product_id": "product_id",
            "category": "category",
            "quantity": "quantity",
            "cost": "cost",
            "discount": "discount",
            "channel": "channel",
        },
        "invoices": {
            "invoice_id": "invoice_id",
            "customer_id": "customer_id",
            "issued_at": "day",
            "due_at": "due_day",
            "amount": "amount",
            "disputed_at": "disputed_day",
        },
        "payments": {
            "payment_id": "payment_id",
            "invoice_id": "invoice_id",
            "customer_id": "customer_id",
            "paid_at": "day",
            "amount": "amount",
        },
        "interactions": {
            "interaction_id": "interaction_id",
            "customer_id": "customer_id",
            "contacted_at": "day",
            "kind": "kind",
            "topic": "topic",
            "resolved_at": "resolved_day",
            "satisfaction": "satisfaction",
            "cost": "cost",
            "campaign_id": "campaign_id",
        },
        "customers": {
            "customer_id": "customer_id",
            "name": "name",
            "kind": "kind",
            "region": "region",
            "owner": "owner",
            "acquired_at": "acquired_day",
            "marketing_consent": "marketing_consent",
            "profiling_opt_out": "profiling_opt_out",
            "planned_revenue": "planned_revenue",
            "employees": "employees",
        },
    }
)
_FLAGS = ("marketing_consent", "profiling_opt_out")

SETTINGS = """\
# A simulated wholesaler: worth demo wholesale. What its customers will do is in truth.parquet,
# which no source names, so that nothing learns from it.
home = "worth-data"
currency = "EUR"
horizon_days = 90

[sources.order_lines]
path = "order_lines.parquet"

[sources.invoices]
path = "invoices.parquet"

[sources.payments]
path = "payments.parquet"

[sources.interactions]
path = "interactions.parquet"

[sources.customers]
path = "customers.parquet"
attributes = ["employees"]
"""


def export_table(name: str, block: Block) -> pa.Table:
    """Write one table of a block as a company would export it.

    Parameters
    ----------
    name : str
        One of `features.schema.TABLES`.
    block : Block
        What happened.

    Returns
    -------
    pyarrow.Table
        Named by the fields of a source; days are dates, flags true or false, attributes columns of
        their own.
    """
    table = canonical_table(name, block)
    if name == "order_lines":
        who = block.customers.number[block.lines.owner]
        line_id = numbered_text("L", (who, 8), "-", (block.lines.number, 4))
        table = table.append_column("line_id", line_id)
    if name == "customers":
        table = table.append_column("employees", pa.array(block.customers.employees))
    return pa.table({field: _value(table, column) for field, column in _FIELDS[name].items()})


def _value(table: pa.Table, column: str) -> pa.ChunkedArray:
    if column == "day" or column.endswith("_day"):
        return table[column].cast(pa.date32())
    if column in _FLAGS:
        return pc.equal(table[column], 1)
    return table[column]
