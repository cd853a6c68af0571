"""Rows in other currencies: their money is the company's by the rate of their day."""

from datetime import date

import pyarrow as pa

from features.cleaning.rules import Company, Fault, Reading
from features.ledger import day_of
from features.sources import SourceError

__all__ = ["check_currency", "currency_faults", "is_converted", "rates_table", "with_rate"]

_NO_CURRENCY = "XXX"
_ALWAYS, _NEVER = -(2**31), 2**31 - 1
_SCHEMA = pa.schema(
    [
        ("rate_code", pa.string()),
        ("from_day", pa.int32()),
        ("until_day", pa.int32()),
        ("rate", pa.float64()),
    ]
)


def is_converted(reading: Reading) -> bool:
    """Tell whether the rows say what currency they are in.

    Parameters
    ----------
    reading : Reading
        The source.

    Returns
    -------
    bool
        If not, they are in the company's.
    """
    return "currency" in reading.present


def check_currency(reading: Reading) -> None:
    """Refuse currencies where the company has none to turn them into.

    Parameters
    ----------
    reading : Reading
        The source.

    Raises
    ------
    SourceError
        If rows say their currency and the company does not.
    """
    if is_converted(reading) and reading.company.currency == _NO_CURRENCY:
        raise SourceError(
            f"Source '{reading.raw.source}' says what currency its rows are in, but worth.toml "
            'does not say the company\'s. Set it, for example currency = "EUR".'
        )


def rates_table(company: Company) -> pa.Table:
    """List what rate is in force when; before a currency's first day it is null.

    Parameters
    ----------
    company : Company
        With its rates.

    Returns
    -------
    pyarrow.Table
        `rate_code`, `from_day` (inclusive), `until_day` (exclusive) and `rate`.
    """
    rows: list[tuple[str, int, int, float | None]] = [(company.currency, _ALWAYS, _NEVER, 1.0)]
    for code, by_day in company.rates.items():
        days = sorted(by_day)
        starts = [_ALWAYS, *map(day_of, days)]
        ends = [*map(day_of, days), _NEVER]
        rates = [None, *(by_day[day] for day in days)]
        rows += [(code.upper(), *row) for row in zip(starts, ends, rates, strict=True)]
    return pa.table([list(column) for column in zip(*rows, strict=True)], schema=_SCHEMA)


def with_rate(reading: Reading, day: str) -> tuple[str, str]:
    """Write the SQL of each row's rate.

    Parameters
    ----------
    reading : Reading
        The source.
    day : str
        SQL of the day whose rate counts.

    Returns
    -------
    tuple of (str, str)
        Columns `code` and `rate`, and the join that brings the rate.
    """
    if not is_converted(reading):
        return "1.0::DOUBLE AS rate", ""
    code = "UPPER(COALESCE(read_currency, $currency))"
    join = (
        f"LEFT JOIN rates ON rate_code = {code} "
        f"AND COALESCE({day}, 0) >= from_day AND COALESCE({day}, 0) < until_day"
    )
    return f"{code} AS code, rate_code, until_day, rate", join


def currency_faults(reading: Reading) -> list[Fault]:
    """List what may be wrong with a row's currency.

    Parameters
    ----------
    reading : Reading
        The source.

    Returns
    -------
    list of Fault
        None where the rows do not say it.
    """
    if not is_converted(reading):
        return []
    way_out = "(add it under [rates.{}] in worth.toml)"
    # One reason a currency, not one a day.
    first_day = f"CAST(DATE '{date(1970, 1, 1)}' + until_day AS VARCHAR)"
    return [
        Fault(
            "NOT regexp_full_match(code, '[A-Z]{3}')",
            "currency is not a code of three letters such as EUR",
        ),
        Fault("rate_code IS NULL", f"there is no rate of {{}} {way_out}", ("code", "code")),
        Fault(
            "rate IS NULL",
            f"there is no rate of {{}} before {{}} {way_out}",
            ("code", first_day, "code"),
        ),
    ]
