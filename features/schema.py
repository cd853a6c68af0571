"""The five canonical tables: every column with its type, unit and meaning. The glossary, in code.

Days are whole days since 1970-01-01 in the company's time zone; money is in the company's currency.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pyarrow as pa

__all__ = ["KEY_COLUMN", "TABLES", "Column", "Table"]

# Says which source row a ledger row came from: 128 bits, so that 100 million rows do not collide.
KEY_COLUMN = "row_key"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a canonical table.

    Parameters
    ----------
    name : str
        The column's name, from the glossary.
    dtype : pyarrow.DataType
        How it is stored.
    meaning : str
        What it says, with its unit.
    required : bool
        Whether a row without it is rejected.
    is_learnt_later : bool
        Whether it is a day that may lie after the row's own: on any earlier `as_of` it was unknown.
    """

    name: str
    dtype: pa.DataType
    meaning: str
    required: bool = False
    is_learnt_later: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One canonical table of the ledger.

    Parameters
    ----------
    name : str
        The table's name.
    grain : str
        What one row is.
    columns : tuple of Column
        Its columns, required ones first.
    key : tuple of str
        The columns the store keeps it sorted and unique by.
    """

    name: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def arrow_schema(self) -> pa.Schema:
        """The columns as an Arrow schema."""
        return pa.schema([pa.field(c.name, c.dtype, nullable=not c.required) for c in self.columns])


_TEXT, _DAY, _REAL, _FLAG = pa.string(), pa.int32(), pa.float64(), pa.int8()
_ROW_KEY = Column(
    KEY_COLUMN, pa.binary(), "identity: 4 bytes name the source, 12 the row in it", required=True
)
_CUSTOMER = Column("customer_id", _TEXT, "who", required=True)

_ORDER_LINES = Table(
    "order_lines",
    "one row a line of an order",
    (
        _CUSTOMER,
        Column("day", _DAY, "day of the order", required=True),
        _ROW_KEY,
        Column("order_id", _TEXT, "the order", required=True),
        Column("revenue", _REAL, "money net of tax and discount; negative = return", required=True),
        Column("product_id", _TEXT, "what was bought"),
        Column("category", _TEXT, "group of products"),
        Column("quantity", _REAL, "units; negative = returned"),
        Column("cost", _REAL, "money the goods on the line cost the company"),
        Column("discount", _REAL, "money given away on the line"),
        Column("channel", _TEXT, "where it was sold"),
    ),
    key=("customer_id", "day", KEY_COLUMN),
)

_INVOICES = Table(
    "invoices",
    "one row an invoice",
    (
        _CUSTOMER,
        _ROW_KEY,
        Column("invoice_id", _TEXT, "the invoice", required=True),
        Column("day", _DAY, "day of issue", required=True),
        Column("due_day", _DAY, "day by which it is to be paid", required=True),
        Column("amount", _REAL, "money invoiced", required=True),
        Column("disputed_day", _DAY, "day the customer disputed it", is_learnt_later=True),
    ),
    key=("customer_id", "invoice_id"),
)

_PAYMENTS = Table(
    "payments",
    "one row a payment of an invoice",
    (
        _CUSTOMER,
        _ROW_KEY,
        Column("payment_id", _TEXT, "the payment", required=True),
        Column("invoice_id", _TEXT, "the invoice it settles", required=True),
        Column("day", _DAY, "day it came in", required=True),
        Column("amount", _REAL, "money paid", required=True),
    ),
    key=("customer_id", "payment_id", "invoice_id"),
)

_INTERACTIONS = Table(
    "interactions",
    "one row a contact",
    (
        _CUSTOMER,
        _ROW_KEY,
        Column("interaction_id", _TEXT, "the contact", required=True),
        Column("day", _DAY, "day of the contact", required=True),
        Column(
            "kind",
            _TEXT,
            "complaint, visit, service, campaign_contact, campaign_response or survey",
            required=True,
        ),
        Column("topic", _TEXT, "of a complaint: quality, contract, transport or service"),
        Column("resolved_day", _DAY, "day a complaint was resolved", is_learnt_later=True),
        Column("satisfaction", _REAL, "from 0 (none) to 1 (full)"),
        Column("cost", _REAL, "money the contact cost the company"),
        Column("campaign_id", _TEXT, "the campaign it belongs to"),
    ),
    key=("customer_id", "interaction_id"),
)

_CUSTOMERS = Table(
    "customers",
    "one row a customer",
    (
        _CUSTOMER,
        _ROW_KEY,
        Column("name", _TEXT, "how people call them"),
        Column("kind", _TEXT, "agent, franchisee, wholesale, retail, ..."),
        Column("region", _TEXT, "where they are"),
        Column("owner", _TEXT, "who looks after them"),
        Column("acquired_day", _DAY, "day they were won"),
        Column("marketing_consent", _FLAG, "1 = may be contacted, 0 = may not"),
        Column("profiling_opt_out", _FLAG, "1 = must not be scored"),
        Column("planned_revenue", _REAL, "money planned to be sold to them in a calendar year"),
        Column("attributes", _TEXT, "further facts, numbers or categories, as a JSON object"),
    ),
    key=("customer_id",),
)

TABLES: Mapping[str, Table] = MappingProxyType(
    {t.name: t for t in (_ORDER_LINES, _INVOICES, _PAYMENTS, _INTERACTIONS, _CUSTOMERS)}
)
