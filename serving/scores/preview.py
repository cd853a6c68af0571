"""Score a history that need not be anybody's: nothing of it is stored."""

from typing import Any

from features.engines.sqlite import signals_of
from features.ledger import date_of
from features.pipeline import signals_digest
from features.schema import TABLES
from models.tier import POLICIES, tier_by_cuts
from models.value.discounting import discount_factor
from serving.champion import Champion
from serving.comparison import compare
from serving.errors import ServiceError
from serving.events.reading import check_events, day_of_moment
from serving.scores.companies import Companies, PublishedSet
from serving.scores.explaining import NoReasonsError, digest_of, explain
from serving.scores.imagined import imagine
from serving.scores.preview_schemas import PreviewWanted
from serving.scores.schemas import interval_of
from serving.scores.service import OptedOutError
from serving.scoring import ScoringError, forecast_customer
from serving.signals.computing import SignalValues, ledger_in_memory, rows_in_store
from serving.state import Service

__all__ = ["NoModelError", "NothingToScoreError", "preview"]

_NOBODY = "preview"


class NoModelError(ServiceError):
    """Raised where no model is loaded that could score."""

    status = 503
    title = "No model"
    headers = {"Retry-After": "60"}  # noqa: RUF012 - never written to


class NothingToScoreError(ServiceError):
    """Raised for a history without a purchase."""

    status = 422
    title = "Nothing to score"


def preview(service: Service, companies: Companies, wanted: PreviewWanted) -> dict[str, Any]:
    """Score a history.

    Parameters
    ----------
    service : Service
        With the store and the models.
    companies : Companies
        Whose cuts make a tier, and what the scorecard compares with.
    wanted : PreviewWanted
        The history, well-formed.

    Returns
    -------
    dict
        The fields of `Preview`.

    Raises
    ------
    RequestValidationError
        If an event cannot be believed.
    NoModelError
        If no model is loaded that fits.
    NothingToScoreError
        If the history holds no purchase by its last day.
    OptedOutError
        If the customer may not be profiled.
    """
    check_events(wanted.events, service)
    champion = service.models.champion
    if champion is None:
        raise NoModelError(
            "No model is loaded, so nothing can be scored. 'worth train' makes one; published "
            "scores are still answered."
        )
    who = wanted.customer_id
    with service.store.reading() as connection:
        published = companies.published(connection)
        own = rows_in_store(connection, who) if who is not None else {}
    rows = imagine(own, wanted.events, who or _NOBODY, service.company.zone)
    if any(row.get("profiling_opt_out") == 1 for row in rows["customers"]):
        raise OptedOutError(who or "of the preview")
    day = _last_day(service, wanted, rows, published)
    with ledger_in_memory(rows) as connection_in_memory:
        signals = signals_of(connection_in_memory, who or _NOBODY, day)
    if signals is None:
        raise NothingToScoreError(
            f"The history holds no purchase by {date_of(day)}, so there is nothing to expect "
            "anything from. Give an order, or a later as_of."
        )
    return _answer(service, champion, published, wanted, signals, day)


def _last_day(
    service: Service,
    wanted: PreviewWanted,
    rows: dict[str, list[dict[str, Any]]],
    published: PublishedSet | None,
) -> int:
    if wanted.as_of is not None:
        return day_of_moment(wanted.as_of, service.company.zone)
    dated = [name for name, table in TABLES.items() if "day" in table.names]
    days = [row["day"] for name in dated for row in rows[name]]
    if published is not None:
        days.append(published.facts.as_of)
    return max(days, default=service.today())


def _answer(
    service: Service,
    champion: Champion,
    published: PublishedSet | None,
    wanted: PreviewWanted,
    signals: SignalValues,
    day: int,
) -> dict[str, Any]:
    company, facts = service.company, champion.bundle.facts
    try:
        forecast = forecast_customer(signals, champion, discount_rate=company.discount_rate)
    except ScoringError as error:
        raise NoModelError(str(error)) from None
    answer = {
        "customer_id": wanted.customer_id,
        "as_of": date_of(day).isoformat(),
        "horizon_days": facts["horizon_days"],
        "currency": company.currency,
        "value_basis": facts["value_basis"],
        "model": {
            "name": champion.name,
            "version": champion.version,
            "digest": digest_of(champion.bundle),
        },
        "signals_digest": signals_digest(),
        **{name: forecast[name] for name in _PLAIN},
        "clv": {
            "expected": forecast["clv_expected"],
            "lower": forecast["clv_lower"],
            "upper": forecast["clv_upper"],
        },
        "interval": interval_of(_Attributes(forecast)),
        "tier": _tier(published, signals, forecast),
        "scorecard": published and compare(published.company, signals, forecast["clv_expected"]),
    }
    if "signals" in (wanted.include or ()):
        answer["signals"] = signals
    if "factors" in (wanted.include or ()):
        answer |= _factors(champion, signals, forecast, company.discount_rate)
    return answer


_PLAIN = (
    *("historic_value", "days_since_last_purchase"),
    *("expected_purchases", "p_alive", "churn_probability"),
)


class _Attributes:
    """A mapping read like a row."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__ = values


def _tier(
    published: PublishedSet | None, signals: SignalValues, forecast: dict[str, Any]
) -> dict[str, str] | None:
    if published is None or published.company.tier_cuts is None:
        return None
    policy = POLICIES[published.facts.policy]
    is_predicted = policy.value_column == "expected_value"
    value = forecast["clv_expected"] if is_predicted else signals[policy.value_column]
    code = tier_by_cuts(value, published.company.tier_cuts)  # type: ignore[arg-type]
    return {"code": code, "policy": policy.name}


def _factors(
    champion: Champion, signals: SignalValues, forecast: dict[str, Any], discount_rate: float
) -> dict[str, Any]:
    factor = discount_factor(champion.bundle.facts["horizon_days"], discount_rate)
    expected = forecast["clv_expected"]
    try:
        explained = explain(_NOBODY, signals, champion, expected=expected, factor=factor)
    except NoReasonsError as error:
        return {"factors": None, "factors_missing": str(error)}
    return {"factors": explained, "factors_missing": None}
