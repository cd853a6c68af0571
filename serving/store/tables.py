"""The store's tables: the five of the ledger, and those of the service."""

from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from features.schema import TABLES, Table

__all__ = [
    "API_KEYS",
    "AUDIT_LOG",
    "EVENTS",
    "FORECAST_COLUMNS",
    "IDEMPOTENCY_KEYS",
    "INGESTS",
    "LEDGER",
    "LIVE_SCORES",
    "METADATA",
    "MODELS",
    "MODELS_SERVED",
    "MODEL_CHOICES",
    "PUBLISHED",
    "REJECTED_ROWS",
    "SCHEMA_VERSION",
    "SCORES",
    "SCORE_CHANGES",
    "SCORE_SETS",
    "SET_COLUMNS",
    "SHADOW_SCORES",
    "SUPPRESSED",
    "UNSCORED",
]

METADATA = sa.MetaData()
# Sorted and compared by bytes everywhere: PostgreSQL would do it by the language of its database,
# so that the pages of a list would follow another order there than on SQLite.
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
# Stands in the store, so that a program never writes into tables it does not know.
SCHEMA_VERSION = 4

_SQL_TYPES: dict[pa.DataType, type[sa.types.TypeEngine[Any]] | sa.types.TypeEngine[Any]] = {
    pa.string(): _TEXT,
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
    sa.Column("source", _TEXT, nullable=False),
    sa.Column("table_name", _TEXT, nullable=False),
    sa.Column("loaded_at", _TEXT, nullable=False),
    # How the source was read; read otherwise, its rows would be taken for others.
    sa.Column("reading", _TEXT, nullable=False),
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
    sa.Column("source", _TEXT, nullable=False),
    sa.Column("reason", _TEXT, nullable=False),
    sa.Column("content", _TEXT),
    sqlite_with_rowid=False,
)


def _set_facts() -> list[sa.Column[Any]]:
    """List what a score carries of how it was made, so that it can be read by itself."""
    return [
        sa.Column("as_of", sa.Integer, nullable=False),
        sa.Column("scored_at", _TEXT, nullable=False),
        sa.Column("horizon_days", sa.Integer, nullable=False),
        sa.Column("currency", _TEXT, nullable=False),
        sa.Column("value_basis", _TEXT, nullable=False),
        sa.Column("discount_rate", sa.Double, nullable=False),
        sa.Column("policy", _TEXT, nullable=False),
        sa.Column("model_name", _TEXT, nullable=False),
        sa.Column("model_version", _TEXT, nullable=False),
        sa.Column("model_digest", _TEXT, nullable=False),
        sa.Column("signals_digest", _TEXT),
    ]


def _forecast() -> list[sa.Column[Any]]:
    """List what a score says of one customer.

    The 10 and 90 % quantiles are lower and upper, the 2.5 and 97.5 % low and high.
    """
    return [
        sa.Column("historic_value", sa.Double),
        sa.Column("expected_purchases", sa.Double, nullable=False),
        sa.Column("p_alive", sa.Double, nullable=False),
        sa.Column("churn_probability", sa.Double, nullable=False),
        sa.Column("clv_expected", sa.Double, nullable=False),
        sa.Column("clv_lower", sa.Double),
        sa.Column("clv_upper", sa.Double),
        sa.Column("clv_median", sa.Double),
        sa.Column("clv_low", sa.Double),
        sa.Column("clv_high", sa.Double),
        sa.Column("days_since_last_purchase", sa.Integer, nullable=False),
        sa.Column("tier", _TEXT, nullable=False),
        sa.Column("tier_since", sa.Integer, nullable=False),
    ]


SET_COLUMNS = tuple(column.name for column in _set_facts())
FORECAST_COLUMNS = tuple(column.name for column in _forecast())

SCORE_SETS = sa.Table(
    "score_sets",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    *_set_facts(),
    sa.Column("ledger_fingerprint", _TEXT, nullable=False),
    sa.Column("n_customers", sa.Integer, nullable=False),
    # Totals, ranks and tier cuts of all customers, as JSON: what one of them is compared with.
    sa.Column("company", _TEXT, nullable=False),
    # Events up to this position were in the ledger that was scored; later ones were not.
    sa.Column("events_upto", sa.Integer, nullable=False, server_default="0"),
    sqlite_autoincrement=True,
)

SCORES = sa.Table(
    "scores",
    METADATA,
    sa.Column("set_id", sa.Integer, primary_key=True),
    sa.Column("customer_id", _TEXT, primary_key=True),
    *_forecast(),
    sqlite_with_rowid=False,
)

# One row: the score set that readers see. Moving it is what publishes a set.
PUBLISHED = sa.Table(
    "published",
    METADATA,
    sa.Column("what", _TEXT, primary_key=True),
    sa.Column("set_id", sa.Integer, sa.ForeignKey("score_sets.id"), nullable=False),
)

# Every event that was accepted, in the order in which it was. Its content is in the ledger.
EVENTS = sa.Table(
    "events",
    METADATA,
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("event_id", _TEXT, nullable=False, unique=True),
    sa.Column("kind", _TEXT, nullable=False),
    sa.Column("customer_id", _TEXT, nullable=False, index=True),
    sa.Column("received_at", _TEXT, nullable=False),
    # Of its content: the same id with another content is no repeat.
    sa.Column("digest", _TEXT, nullable=False),
    # Where the score lies that was answered (score_changes.position); null until it is made.
    sa.Column("scored_position", sa.Integer),
    sqlite_autoincrement=True,
)

# Customers whose ledger holds events that no score knows yet; empty but for an instant.
UNSCORED = sa.Table(
    "unscored",
    METADATA,
    sa.Column("customer_id", _TEXT, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
)

# The score an event made, of each customer; it goes before the published set's where the event came
# after that set's ledger was read (position > events_upto).
LIVE_SCORES = sa.Table(
    "live_scores",
    METADATA,
    sa.Column("customer_id", _TEXT, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),
    *_set_facts(),
    *_forecast(),
)

# Every score an event made, for the history of a customer.
SCORE_CHANGES = sa.Table(
    "score_changes",
    METADATA,
    sa.Column("customer_id", _TEXT, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    *_set_facts(),
    *_forecast(),
)

API_KEYS = sa.Table(
    "api_keys",
    METADATA,
    sa.Column("prefix", _TEXT, primary_key=True),
    sa.Column("secret_hash", _TEXT, nullable=False),
    sa.Column("scopes", _TEXT, nullable=False),
    sa.Column("created_at", _TEXT, nullable=False),
    sa.Column("revoked_at", _TEXT),
    sa.Column("name", _TEXT),
    sa.Column("expires_at", _TEXT),
    sa.Column("last_used_at", _TEXT),
    # Requests a second; null is the service's own limit.
    sa.Column("rate_limit", sa.Integer),
)

# Who did what, each row chained to the one before by its hash. Customers stand in it by their keyed
# hash alone.
AUDIT_LOG = sa.Table(
    "audit_log",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("at", _TEXT, nullable=False),
    sa.Column("actor", _TEXT, nullable=False),
    sa.Column("action", _TEXT, nullable=False),
    sa.Column("object", _TEXT),
    sa.Column("reason", _TEXT),
    sa.Column("n", sa.Integer),
    sa.Column("previous_hash", _TEXT, nullable=False),
    sa.Column("hash", _TEXT, nullable=False),
)

# What a write answered, so that its repeat under the same Idempotency-Key is answered likewise.
IDEMPOTENCY_KEYS = sa.Table(
    "idempotency_keys",
    METADATA,
    sa.Column("key_hash", _TEXT, primary_key=True),
    sa.Column("operation", _TEXT, nullable=False),
    sa.Column("request_digest", _TEXT, nullable=False),
    sa.Column("created_at", _TEXT, nullable=False, index=True),
    # Null while the first request is at work.
    sa.Column("status", sa.Integer),
    sa.Column("media_type", _TEXT),
    sa.Column("body", sa.LargeBinary),
    # Keyed hashes of the customers it speaks of, so that erasing one finds it.
    sa.Column("subjects", _TEXT),
)

# Erased customers, by keyed hash: what is loaded of them again is left out.
SUPPRESSED = sa.Table(
    "suppressed",
    METADATA,
    sa.Column("subject", _TEXT, primary_key=True),
    sa.Column("erased_at", _TEXT, nullable=False),
    sa.Column("receipt", _TEXT, nullable=False),
)

# Versions of the model registry that the service has seen.
MODELS = sa.Table(
    "models",
    METADATA,
    sa.Column("version", _TEXT, primary_key=True),
    sa.Column("name", _TEXT, nullable=False),
    sa.Column("digest", _TEXT, nullable=False),
    sa.Column("grade", _TEXT),
    # Last day of the ledger it was trained on.
    sa.Column("as_of", sa.Integer),
    sa.Column("seen_at", _TEXT, nullable=False),
)

# What people chose of it: `pinned` goes before the champion, `shadow` is scored beside it.
MODEL_CHOICES = sa.Table(
    "model_choices",
    METADATA,
    sa.Column("what", _TEXT, primary_key=True),
    sa.Column("version", _TEXT, nullable=False),
    sa.Column("reason", _TEXT, nullable=False),
    sa.Column("actor", _TEXT, nullable=False),
    sa.Column("at", _TEXT, nullable=False),
)

# Which model served from when on.
MODELS_SERVED = sa.Table(
    "models_served",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("version", _TEXT, nullable=False),
    sa.Column("digest", _TEXT, nullable=False),
    sa.Column("since", _TEXT, nullable=False),
    sqlite_autoincrement=True,
)

# What a challenger would have answered.
SHADOW_SCORES = sa.Table(
    "shadow_scores",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("customer_id", _TEXT, nullable=False, index=True),
    sa.Column("scored_at", _TEXT, nullable=False),
    sa.Column("champion_version", _TEXT, nullable=False),
    sa.Column("challenger_version", _TEXT, nullable=False),
    sa.Column("champion_clv", sa.Double, nullable=False),
    sa.Column("challenger_clv", sa.Double, nullable=False),
    sa.Column("champion_churn", sa.Double, nullable=False),
    sa.Column("challenger_churn", sa.Double, nullable=False),
    sqlite_autoincrement=True,
)
