"""Version 2: the ledger, the published scores and the API keys."""

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = None

# PostgreSQL would sort by the language of its database; SQLite sorts by bytes.
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Lay the tables of version 2."""
    _lay_ledger()
    _lay_loads()
    _lay_scores()
    _lay_keys()


def _lay_ledger() -> None:
    op.create_table(
        "order_lines",
        sa.Column("customer_id", _TEXT, primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True),
        sa.Column("row_key", sa.LargeBinary, primary_key=True),
        sa.Column("order_id", _TEXT, nullable=False),
        sa.Column("revenue", sa.Double, nullable=False),
        sa.Column("product_id", _TEXT),
        sa.Column("category", _TEXT),
        sa.Column("quantity", sa.Double),
        sa.Column("cost", sa.Double),
        sa.Column("discount", sa.Double),
        sa.Column("channel", _TEXT),
        sqlite_with_rowid=False,
    )
    op.create_index("order_lines_by_row_key", "order_lines", ["row_key"], unique=True)
    op.create_table(
        "invoices",
        sa.Column("customer_id", _TEXT, primary_key=True),
        sa.Column("row_key", sa.LargeBinary, nullable=False),
        sa.Column("invoice_id", _TEXT, primary_key=True),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("due_day", sa.Integer, nullable=False),
        sa.Column("amount", sa.Double, nullable=False),
        sa.Column("disputed_day", sa.Integer),
        sqlite_with_rowid=False,
    )
    op.create_index("invoices_by_row_key", "invoices", ["row_key"], unique=True)
    op.create_table(
        "payments",
        sa.Column("customer_id", _TEXT, primary_key=True),
        sa.Column("row_key", sa.LargeBinary, nullable=False),
        sa.Column("payment_id", _TEXT, primary_key=True),
        sa.Column("invoice_id", _TEXT, primary_key=True),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("amount", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("payments_by_row_key", "payments", ["row_key"], unique=True)
    op.create_table(
        "interactions",
        sa.Column("customer_id", _TEXT, primary_key=True),
        sa.Column("row_key", sa.LargeBinary, nullable=False),
        sa.Column("interaction_id", _TEXT, primary_key=True),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("topic", _TEXT),
        sa.Column("resolved_day", sa.Integer),
        sa.Column("satisfaction", sa.Double),
        sa.Column("cost", sa.Double),
        sa.Column("campaign_id", _TEXT),
        sqlite_with_rowid=False,
    )
    op.create_index("interactions_by_row_key", "interactions", ["row_key"], unique=True)
    op.create_table(
        "customers",
        sa.Column("customer_id", _TEXT, primary_key=True),
        sa.Column("row_key", sa.LargeBinary, nullable=False),
        sa.Column("name", _TEXT),
        sa.Column("kind", _TEXT),
        sa.Column("region", _TEXT),
        sa.Column("owner", _TEXT),
        sa.Column("acquired_day", sa.Integer),
        sa.Column("marketing_consent", sa.SmallInteger),
        sa.Column("profiling_opt_out", sa.SmallInteger),
        sa.Column("planned_revenue", sa.Double),
        sa.Column("attributes", _TEXT),
        sqlite_with_rowid=False,
    )
    op.create_index("customers_by_row_key", "customers", ["row_key"], unique=True)


def _lay_loads() -> None:
    op.create_table(
        "ingests",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("source", _TEXT, nullable=False),
        sa.Column("table_name", _TEXT, nullable=False),
        sa.Column("loaded_at", _TEXT, nullable=False),
        sa.Column("reading", _TEXT, nullable=False),
        sa.Column("n_read", sa.Integer, nullable=False),
        sa.Column("n_rejected", sa.Integer, nullable=False),
        sa.Column("n_new", sa.Integer, nullable=False),
        sa.Column("n_changed", sa.Integer, nullable=False),
    )
    op.create_table(
        "rejected_rows",
        sa.Column("ingest_id", sa.Integer, primary_key=True),
        sa.Column("source_row", sa.Integer, primary_key=True),
        sa.Column("source", _TEXT, nullable=False),
        sa.Column("reason", _TEXT, nullable=False),
        sa.Column("content", _TEXT),
        sqlite_with_rowid=False,
    )


def _lay_scores() -> None:
    op.create_table(
        "score_sets",
        sa.Column("id", sa.Integer, primary_key=True),
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
        sa.Column("ledger_fingerprint", _TEXT, nullable=False),
        sa.Column("n_customers", sa.Integer, nullable=False),
        sa.Column("company", _TEXT, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "scores",
        sa.Column("set_id", sa.Integer, primary_key=True),
        sa.Column("customer_id", _TEXT, primary_key=True),
        sa.Column("historic_value", sa.Double),
        sa.Column("expected_purchases", sa.Double, nullable=False),
        sa.Column("p_alive", sa.Double, nullable=False),
        sa.Column("churn_probability", sa.Double, nullable=False),
        sa.Column("clv_expected", sa.Double, nullable=False),
        sa.Column("clv_lower", sa.Double),
        sa.Column("clv_upper", sa.Double),
        sa.Column("days_since_last_purchase", sa.Integer, nullable=False),
        sa.Column("tier", _TEXT, nullable=False),
        sa.Column("tier_since", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "published",
        sa.Column("what", _TEXT, primary_key=True),
        sa.Column("set_id", sa.Integer, sa.ForeignKey("score_sets.id"), nullable=False),
    )


def _lay_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("prefix", _TEXT, primary_key=True),
        sa.Column("secret_hash", _TEXT, nullable=False),
        sa.Column("scopes", _TEXT, nullable=False),
        sa.Column("created_at", _TEXT, nullable=False),
        sa.Column("revoked_at", _TEXT),
    )
