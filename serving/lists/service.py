"""Pull a target list: a filter over the scores, without those who must not be contacted."""

import csv
import io
from typing import Any

import sqlalchemy as sa

from serving.lists.schemas import ListedCustomer, TargetList
from serving.published import published_scores, set_facts
from serving.scores.schemas import ScoredCustomer, SetFacts
from serving.store import Store
from serving.store.tables import LEDGER, SCORES

__all__ = ["as_csv", "preview_list"]

# Signs with which a spreadsheet begins a formula.
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


def preview_list(
    store: Store, *, tier: str | None = None, min_churn: float = 0.0, limit: int = 100
) -> TargetList:
    """Pull the customers that match a filter, by falling expected value.

    Parameters
    ----------
    store : Store
        Where the scores are.
    tier : {"A", "B", "C"}, optional
        Only customers of this tier.
    min_churn : float, default 0.0
        Only customers whose churn probability is at least this, 0 to 1.
    limit : int, default 100
        At most so many.

    Returns
    -------
    TargetList
        The customers. Nobody is on it who refused marketing or profiling.

    Raises
    ------
    NothingPublishedError
        If no set is published.
    """
    matching = published_scores().where(
        SCORES.c.churn_probability >= min_churn, SCORES.c.customer_id.not_in(_not_to_be_contacted())
    )
    if tier is not None:
        matching = matching.where(SCORES.c.tier == tier)
    best_first = matching.order_by(SCORES.c.clv_expected.desc(), SCORES.c.customer_id)
    with store.reading() as connection:
        facts = set_facts(connection)
        count = matching.with_only_columns(sa.func.count(), maintain_column_froms=True)
        n_matching = connection.execute(count).scalar_one()
        rows = connection.execute(best_first.limit(limit)).all()
    return TargetList(
        **SetFacts.facts_of(facts), n_matching=n_matching, customers=[_listed(row) for row in rows]
    )


def _not_to_be_contacted() -> sa.Select[tuple[str]]:
    customers = LEDGER["customers"].c
    return sa.select(customers.customer_id).where(
        sa.or_(customers.marketing_consent == 0, customers.profiling_opt_out == 1)
    )


def _listed(row: sa.Row[Any]) -> ListedCustomer:
    return ListedCustomer(
        **ScoredCustomer.forecast_of(row),
        days_since_last_purchase=row.days_since_last_purchase,
        reason=(
            f"Tier {row.tier}, worth {row.clv_expected:,.2f} {row.currency} over "
            f"{row.horizon_days} days; {row.churn_probability:.0%} likely not to buy in them, "
            f"silent for {row.days_since_last_purchase} days."
        ),
    )


def as_csv(target_list: TargetList) -> str:
    """Write a target list as CSV.

    Parameters
    ----------
    target_list : TargetList
        The list.

    Returns
    -------
    str
        A header row and one row a customer (RFC 4180). Texts that a spreadsheet would take for a
        formula are led by an apostrophe.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    writer.writerows(_cells(customer, target_list) for customer in target_list.customers)
    return text.getvalue()


_COLUMNS = (
    "customer_id",
    "tier",
    "clv_expected",
    "clv_lower",
    "clv_upper",
    "currency",
    "churn_probability",
    "p_alive",
    "expected_purchases",
    "days_since_last_purchase",
    "reason",
    "as_of",
    "horizon_days",
    "model_version",
)


def _cells(customer: ListedCustomer, target_list: TargetList) -> tuple[object, ...]:
    return (
        _harmless(customer.customer_id),
        customer.tier.code,
        customer.clv.expected,
        customer.clv.lower,
        customer.clv.upper,
        target_list.currency,
        customer.churn_probability,
        customer.p_alive,
        customer.expected_purchases,
        customer.days_since_last_purchase,
        customer.reason,
        target_list.as_of,
        target_list.horizon_days,
        target_list.model.version,
    )


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA_SIGNS) else text
