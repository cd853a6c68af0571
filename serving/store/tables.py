"""The store's tables: the five of the ledger, and those of the service."""

from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from features.schema import TABLES, Table

__all__ = [
    "API_KEYS",
    "INGESTS",
    "LEDGER",
    "METADATA",
    "PUBLISHED",
    "REJECTED_ROWS",
    "SCHEMA_VERSION",
    "SCORES",
    "SCORE_SETS",
]

METADATA = sa.MetaData()
# Stands in the store, so that a program never writes into tables it does not know.
SCHEMA_VERSION = 2

_SQL_TYPES: dict[pa.DataType, type[sa.types.TypeEngine[Any]]] = {
    pa.string(): sa.Text,
    pa.int32(): sa.Integer,
    pa.int8(): sa.SmallInteger,
    pa.float64(): sa.Double,
    pa.binary(): sa.LargeBinary,
}


def _ledger_table(table: Table) -> sa.Table:
    columns = [
        sa.Column(
            column.name,
            _SQL_TYPES[column.dtype],
            nullable=not column.required,
            primary_key=column.name in table.key,
        )
        for column in table.columns
    ]
    # Sorted by customer on disk: what one request needs of a customer lies side by side.
    return sa.Table(table.name, METADATA, *columns, sqlite_with_rowid=False)


LEDGER = {name: _ledger_table(table) for name, table in TABLES.items()}
# By which a row that is loaded again is found.
for _name, _table in LEDGER.items():
    sa.Index(f"{_name}_by_row_key", _table.c.row_key, unique=True)

INGESTS = sa.Table(
    "ingests",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("table_name", sa.Text, nullable=False),
    sa.Column("loaded_at", sa.Text, nullable=False),
    # How the source was read; read otherwise, its rows would be taken for others.
    sa.Column("reading", sa.Text, nullable=False),
    sa.Column("n_read", sa.Integer, nullable=False),
    sa.Column("n_rejected", sa.Integer, nullable=False),
    sa.Column("n_new", sa.Integer, nullable=False),
    sa.Column("n_changed", sa.Integer, nullable=False),
)

REJECTED_ROWS = sa.Table(
    "rejected_rows",
    METADATA,
    sa.Column("ingest_id", sa.Integer, primary_key=True),
    sa.Column("source_row", sa.Integer, primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("content", sa.Text),
    sqlite_with_rowid=False,
)

SCORE_SETS = sa.Table(
    "score_sets",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("as_of", sa.Integer, nullable=False),
    sa.Column("scored_at", sa.Text, nullable=False),
    sa.Column("horizon_days", sa.Integer, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("value_basis", sa.Text, nullable=False),
    sa.Column("discount_rate", sa.Double, nullable=False),
    sa.Column("policy", sa.Text, nullable=False),
    sa.Column("model_name", sa.Text, nullable=False),
    sa.Column("model_version", sa.Text, nullable=False),
    sa.Column("model_digest", sa.Text, nullable=False),
    sa.Column("ledger_fingerprint", sa.Text, nullable=False),
    sa.Column("n_customers", sa.Integer, nullable=False),
    # Totals and ranks of all customers, as JSON: what one of them is compared with.
    sa.Column("company", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)

SCORES = sa.Table(
    "scores",
    METADATA,
    sa.Column("set_id", sa.Integer, primary_key=True),
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("historic_value", sa.Double),
    sa.Column("expected_purchases", sa.Double, nullable=False),
    sa.Column("p_alive", sa.Double, nullable=False),
    sa.Column("churn_probability", sa.Double, nullable=False),
    sa.Column("clv_expected", sa.Double, nullable=False),
    sa.Column("clv_lower", sa.Double),
    sa.Column("clv_upper", sa.Double),
    sa.Column("days_since_last_purchase", sa.Integer, nullable=False),
    sa.Column("tier", sa.Text, nullable=False),
    sa.Column("tier_since", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)

# One row: the score set that readers see. Moving it is what publishes a set.
PUBLISHED = sa.Table(
    "published",
    METADATA,
    sa.Column("what", sa.Text, primary_key=True),
    sa.Column("set_id", sa.Integer, sa.ForeignKey("score_sets.id"), nullable=False),
)

API_KEYS = sa.Table(
    "api_keys",
    METADATA,
    sa.Column("prefix", sa.Text, primary_key=True),
    sa.Column("secret_hash", sa.Text, nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("created_at", sa.Text, nullable=False),
    sa.Column("revoked_at", sa.Text),
)
