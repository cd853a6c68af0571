"""Pull a target list: a filter over the scores, without those who must not be contacted."""

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from features.ledger import date_of
from serving.lists.media import as_csv
from serving.published import current_scores, set_facts
from serving.scores.schemas import facts_of, forecast_of
from serving.state import Service
from serving.store.tables import LEDGER

__all__ = ["page_as_csv", "preview_list", "target_list_as_csv"]


def preview_list(
    service: Service, *, tier: str | None = None, min_churn: float = 0.0, limit: int = 100
) -> dict[str, Any]:
    """Pull the customers that match a filter, by falling expected value.

    Parameters
    ----------
    service : Service
        With the store.
    tier : {"A", "B", "C"}, optional
        Only customers of this tier.
    min_churn : float, default 0.0
        Only customers whose churn probability is at least this, 0 to 1.
    limit : int, default 100
        At most so many.

    Returns
    -------
    dict
        The fields of `TargetList`. Nobody is on it who refused marketing or profiling.

    Raises
    ------
    NothingPublishedError
        If no set is published.
    """
    scores = current_scores()
    matching = sa.select(scores).where(
        scores.c.churn_probability >= min_churn, scores.c.customer_id.not_in(_not_to_be_contacted())
    )
    if tier is not None:
        matching = matching.where(scores.c.tier == tier)
    best_first = matching.order_by(scores.c.clv_expected.desc(), scores.c.customer_id)
    with service.store.reading() as connection:
        facts = set_facts(connection)
        count = matching.with_only_columns(sa.func.count(), maintain_column_froms=True)
        n_matching = connection.execute(count).scalar_one()
        rows = connection.execute(best_first.limit(limit)).all()
    return {
        **facts_of(facts, service),
        "n_matching": n_matching,
        "customers": [_listed(row) for row in rows],
    }


def _not_to_be_contacted() -> sa.Select[tuple[str]]:
    customers = LEDGER["customers"].c
    return sa.select(customers.customer_id).where(
        sa.or_(customers.marketing_consent == 0, customers.profiling_opt_out == 1)
    )


def _listed(row: sa.Row[Any]) -> dict[str, Any]:
    return {
        **forecast_of(row),
        "days_since_last_purchase": row.days_since_last_purchase,
        "reason": (
            f"Tier {row.tier}, worth {row.clv_expected:,.2f} {row.currency} over "
            f"{row.horizon_days} days; {row.churn_probability:.0%} likely not to buy in them, "
            f"silent for {row.days_since_last_purchase} days."
        ),
    }


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
_COLUMNS_OF_SCORES = tuple(name for name in _COLUMNS if name != "reason")


def target_list_as_csv(target_list: Mapping[str, Any]) -> str:
    """Write a target list as CSV.

    Parameters
    ----------
    target_list : mapping
        Result of `preview_list`.

    Returns
    -------
    str
        A header row and one row a customer.
    """
    return as_csv(_COLUMNS, (_cells(one, target_list) for one in target_list["customers"]))


def _cells(customer: Mapping[str, Any], target_list: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        customer["customer_id"],
        customer["tier"]["code"],
        *(customer["clv"][name] for name in ("expected", "lower", "upper")),
        target_list["currency"],
        customer["churn_probability"],
        customer["p_alive"],
        customer["expected_purchases"],
        customer["days_since_last_purchase"],
        customer["reason"],
        target_list["as_of"],
        target_list["horizon_days"],
        target_list["model"]["version"],
    )


def page_as_csv(rows: Iterable[Any]) -> str:
    """Write a page of scores as CSV.

    Parameters
    ----------
    rows : iterable of row
        With the columns of `current_scores`.

    Returns
    -------
    str
        A header row and one row a customer.
    """
    return as_csv(_COLUMNS_OF_SCORES, map(_cells_of_score, rows))


def _cells_of_score(row: Any) -> list[object]:
    return [
        date_of(row.as_of) if name == "as_of" else getattr(row, name) for name in _COLUMNS_OF_SCORES
    ]
