"""Version 3: what the live service keeps: events and their scores, writes, people, models."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "3"
down_revision = "2"

# PostgreSQL would sort by the language of its database; SQLite sorts by bytes.
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Bring version 2 to version 3; no row is touched."""
    _widen()
    _lay_events()
    _lay_writes()
    _lay_models()


def _widen() -> None:
    with op.batch_alter_table("score_sets") as table:
        table.add_column(sa.Column("signals_digest", _TEXT))
        table.add_column(sa.Column("events_upto", sa.Integer, nullable=False, server_default="0"))
    with op.batch_alter_table("scores") as table:
        table.add_column(sa.Column("clv_median", sa.Double))
        table.add_column(sa.Column("clv_low", sa.Double))
        table.add_column(sa.Column("clv_high", sa.Double))
    with op.batch_alter_table("api_keys") as table:
        table.add_column(sa.Column("name", _TEXT))
        table.add_column(sa.Column("expires_at", _TEXT))
        table.add_column(sa.Column("last_used_at", _TEXT))
        table.add_column(sa.Column("rate_limit", sa.Integer))


def _score() -> list[sa.Column[Any]]:
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


def _lay_events() -> None:
    op.create_table(
        "events",
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("event_id", _TEXT, nullable=False, unique=True),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("customer_id", _TEXT, nullable=False),
        sa.Column("received_at", _TEXT, nullable=False),
        sa.Column("digest", _TEXT, nullable=False),
        sa.Column("scored_position", sa.Integer),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_customer_id", "events", ["customer_id"])
    op.create_table(
        "unscored",
        sa.Column("customer_id", _TEXT, primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
    )
    op.create_table(
        "live_scores",
        sa.Column("customer_id", _TEXT, primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
        *_score(),
    )
    op.create_table(
        "score_changes",
        sa.Column("customer_id", _TEXT, primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        *_score(),
    )


def _lay_writes() -> None:
    op.create_table(
        "audit_log",
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
    op.create_table(
        "idempotency_keys",
        sa.Column("key_hash", _TEXT, primary_key=True),
        sa.Column("operation", _TEXT, nullable=False),
        sa.Column("request_digest", _TEXT, nullable=False),
        sa.Column("created_at", _TEXT, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("media_type", _TEXT),
        sa.Column("body", sa.LargeBinary),
        sa.Column("subjects", _TEXT),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    op.create_table(
        "suppressed",
        sa.Column("subject", _TEXT, primary_key=True),
        sa.Column("erased_at", _TEXT, nullable=False),
        sa.Column("receipt", _TEXT, nullable=False),
    )


def _lay_models() -> None:
    op.create_table(
        "models",
        sa.Column("version", _TEXT, primary_key=True),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("digest", _TEXT, nullable=False),
        sa.Column("grade", _TEXT),
        sa.Column("as_of", sa.Integer),
        sa.Column("seen_at", _TEXT, nullable=False),
    )
    op.create_table(
        "model_choices",
        sa.Column("what", _TEXT, primary_key=True),
        sa.Column("version", _TEXT, nullable=False),
        sa.Column("reason", _TEXT, nullable=False),
        sa.Column("actor", _TEXT, nullable=False),
        sa.Column("at", _TEXT, nullable=False),
    )
    op.create_table(
        "models_served",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("version", _TEXT, nullable=False),
        sa.Column("digest", _TEXT, nullable=False),
        sa.Column("since", _TEXT, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "shadow_scores",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("customer_id", _TEXT, nullable=False),
        sa.Column("scored_at", _TEXT, nullable=False),
        sa.Column("champion_version", _TEXT, nullable=False),
        sa.Column("challenger_version", _TEXT, nullable=False),
        sa.Column("champion_clv", sa.Double, nullable=False),
        sa.Column("challenger_clv", sa.Double, nullable=False),
        sa.Column("champion_churn", sa.Double, nullable=False),
        sa.Column("challenger_churn", sa.Double, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_shadow_scores_customer_id", "shadow_scores", ["customer_id"])
