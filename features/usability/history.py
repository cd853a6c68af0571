"""Checks of the ledger's days and of how many customers they hold."""

from collections.abc import Callable, Iterator, Mapping

from features.ledger import date_of
from features.usability.finding import Finding, Level
from features.usability.survey import Survey, as_percent, on_day

__all__ = ["HISTORY_CHECKS"]

# A horizon to learn from and one to test on; half of one more to look back over makes it complete,
# as training.plan asks.
_HORIZONS_FOR_A_TEST, _HORIZONS_FOR_A_FULL_TEST = 2, 2.5
# With fewer, the parameters of a model hang on a handful of people.
_FEW_CUSTOMERS = 200
_FEW_REPEATERS, _SMALL_REPEAT_SHARE = 100, 0.10
_OLD_DAYS = 60
# Older than the last or the first order by so much, a single order is more likely mistyped.
_LONELY_LAST_DAYS, _LONELY_FIRST_DAYS = 60, 365


def _short_history(survey: Survey) -> Iterator[Finding]:
    if not survey.days:
        return
    n_days, horizon = survey.as_of - survey.first_day + 1, survey.horizon_days
    level: Level
    if n_days <= 1 or n_days < horizon:
        level, what = "error", "is shorter than the horizon, so no model can be trained"
    elif n_days < _HORIZONS_FOR_A_TEST * horizon:
        level, what = "warning", "is shorter than two horizons, one to learn from and one to test"
    elif n_days < _HORIZONS_FOR_A_FULL_TEST * horizon:
        level, what = "recommendation", "is shorter than 2.5 horizons, so the test is a shorter one"
    else:
        return
    yield Finding(
        check="short_history",
        level=level,
        step="training",
        table="order_lines",
        column="day",
        count=n_days,
        message=f"The history of {n_days:,} days ({on_day(survey.first_day)} to "
        f"{on_day(survey.as_of)}) {what}. The horizon is {horizon:,} days.",
        way_out=f"Load a longer history, or set horizon_days to at most "
        f"{max(1, int(n_days / _HORIZONS_FOR_A_FULL_TEST)):,}.",
    )


def _few_customers(survey: Survey) -> Iterator[Finding]:
    if not survey.days or survey.n_customers >= _FEW_CUSTOMERS:
        return
    is_one = survey.n_customers == 1
    yield Finding(
        check="few_customers",
        level="error" if is_one else "warning",
        step="training",
        table="order_lines",
        column="customer_id",
        count=survey.n_customers,
        message="The ledger holds one customer, and a model learns from the differences between "
        "customers."
        if is_one
        else f"The ledger holds {survey.n_customers:,} customers. With fewer than {_FEW_CUSTOMERS} "
        "a model hangs on a handful of them.",
        way_out="Load more of the company's customers, lapsed ones included.",
    )


def _few_repeaters(survey: Survey) -> Iterator[Finding]:
    if not survey.days:
        return
    found = survey.row(
        "SELECT COUNT(*) AS n, COUNT(*) FILTER (n_purchase_days > 1) AS n_repeaters, "
        "MIN(customer_id) FILTER (n_purchase_days = 1) AS example FROM buyers"
    )
    n, n_repeaters, example = found["n"], found["n_repeaters"], found["example"]
    if n_repeaters >= _FEW_REPEATERS and n_repeaters >= _SMALL_REPEAT_SHARE * n:
        return
    yield Finding(
        check="few_repeaters",
        level="warning",
        step="training",
        table="order_lines",
        column="customer_id",
        count=n_repeaters,
        of=n,
        example=example,
        message=f"{n_repeaters:,} of {n:,} customers ({as_percent(n_repeaters, n)}) bought on a "
        "second day, and from those who did a model learns who comes back"
        + (f" (bought once: '{example}')." if example else "."),
        way_out="Look whether customer_id names the customer and not the order or the guest "
        "account, and load a longer history.",
    )


def _last_day(survey: Survey) -> Iterator[Finding]:
    if not survey.days:
        return
    as_of, today = survey.as_of, survey.today
    if as_of > today:
        late = survey.row(
            "SELECT COUNT(*) AS n, MIN(order_id) AS example FROM order_lines WHERE day > $today",
            today=today,
        )
        yield Finding(
            check="last_day",
            level="error",
            step="scoring",
            table="order_lines",
            column="day",
            count=late["n"],
            of=survey.rows["order_lines"],
            example=late["example"],
            message=f"{late['n']:,} of {survey.rows['order_lines']:,} order lines are of a day "
            f"after today, {on_day(today)} (first: order '{late['example']}'; last day: "
            f"{on_day(as_of)}).",
            way_out="Correct their dates or the source's date_format, and load the source again; "
            "or score with --as-of.",
        )
    elif today - as_of > _OLD_DAYS:
        yield Finding(
            check="last_day",
            level="warning",
            step="scoring",
            table="order_lines",
            column="day",
            count=today - as_of,
            message=f"The last order is {today - as_of:,} days old ({on_day(as_of)}), so scores "
            "are of that day and not of today.",
            way_out="Load the orders since then.",
        )


def _lonely_day(survey: Survey) -> Iterator[Finding]:
    last, first = survey.days[-1:-3:-1], survey.days[:2]
    if _is_lonely(last, _LONELY_LAST_DAYS):
        yield _lonely(
            survey, last, "last", "before", "every customer looks silent up to it",
            f", or give the real last day with --as-of {on_day(last[1][0])}",
        )  # fmt: skip
    if _is_lonely(first, _LONELY_FIRST_DAYS):
        yield _lonely(survey, first, "first", "after", "the history looks longer than it is", "")


def _lonely(
    survey: Survey, days: list[tuple[int, int]], which: str, side: str, effect: str, more: str
) -> Finding:
    (day, _), (neighbour, _) = days
    order = survey.row("SELECT order_id FROM orders WHERE day = $day", day=day)["order_id"]
    return Finding(
        check="lonely_day",
        level="warning",
        step="signals",
        table="order_lines",
        column="day",
        count=1,
        of=sum(n_orders for _, n_orders in survey.days),
        example=order,
        message=f"The {which} day, {on_day(day)}, has a single order ('{order}'), and the "
        f"{abs(day - neighbour) - 1:,} days {side} it have none. Its date is probably mistyped, "
        f"and {effect}.",
        way_out=f"Correct the date of the order in the source and load it again{more}.",
    )


def _months_without_sales(survey: Survey) -> Iterator[Finding]:
    days = list(survey.days)
    # A mistyped day makes no gap in the history.
    if _is_lonely(days[-1:-3:-1], _LONELY_LAST_DAYS):
        days.pop()
    if _is_lonely(days[:2], _LONELY_FIRST_DAYS):
        days.pop(0)
    months = [date_of(day).year * 12 + date_of(day).month - 1 for day, _ in days]
    if not months:
        return
    missing = sorted(set(range(months[0], months[-1])) - set(months))
    if not missing:
        return
    of = months[-1] - months[0] + 1
    example = f"{missing[0] // 12}-{missing[0] % 12 + 1:02d}"
    yield Finding(
        check="months_without_sales",
        level="warning",
        step="signals",
        table="order_lines",
        column="day",
        count=len(missing),
        of=of,
        example=example,
        message=f"{len(missing):,} of {of:,} months inside the history have no order line "
        f"(first: {example}), and all customers look silent in them.",
        way_out="Look whether an export is missing, and load it. If the company really sold "
        "nothing, leave it.",
    )


def _is_lonely(days: list[tuple[int, int]], most: int) -> bool:
    if len(days) < 2:
        return False
    (day, n_orders), (neighbour, _) = days
    return n_orders == 1 and abs(day - neighbour) > most


HISTORY_CHECKS: Mapping[str, Callable[[Survey], Iterator[Finding]]] = {
    "short_history": _short_history,
    "few_customers": _few_customers,
    "few_repeaters": _few_repeaters,
    "last_day": _last_day,
    "lonely_day": _lonely_day,
    "months_without_sales": _months_without_sales,
}
