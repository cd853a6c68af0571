from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from features.engines.duckdb import compute_signals
from features.ledger import Ledger
from features.schema import TABLES
from features.signals.catalogue import CATALOGUE

Row = Mapping[str, object]
Signals = dict[str, object]
SignalsOf = Callable[..., Signals]
LedgerWith = Callable[..., Ledger]
PaymentOf = Callable[..., Signals]

AS_OF = 2000

_INVOICES = [
    dict(zip(["invoice_id", "day", "due_day", "amount", "disputed_day"], invoice, strict=True))
    for invoice in [
        ("on time", 1600, 1630, 100.0, None),
        ("late, in two parts", 1700, 1730, 200.0, None),
        ("overdue, in part paid", 1850, 1880, 300.0, None),
        ("not yet due", 1980, 2010, 400.0, None),
        ("due today", 1970, 2000, 10.0, None),
        ("short by a hair, disputed later", 1900, 1930, 50.0, 2001),
        ("credit note", 1950, 1980, -30.0, 1990),
        ("overpaid", 1960, 1990, 60.0, None),
        ("paid later, disputed", 1970, 1999, 70.0, 1995),
        ("issued later", 2001, 2031, 999.0, None),
    ]
]
_PAYMENTS = [
    dict(zip(["invoice_id", "day", "amount"], payment, strict=True))
    for payment in [
        ("on time", 1620, 100.0),
        ("late, in two parts", 1730, 150.0),
        ("late, in two parts", 1750, 50.0),
        ("overdue, in part paid", 1890, 100.0),
        ("short by a hair, disputed later", 1940, 49.996),
        ("credit note", 1960, -30.0),
        ("overpaid", 1985, 80.0),
        ("paid later, disputed", 2001, 70.0),
        ("nobody's", 1990, 5.0),
    ]
]
# Late by days: due up to 1820: 0 and 20; since then: 120, 10, 0 and 1.
_BY_HAND: Mapping[str, Mapping[str, object]] = {
    "invoiced": {"n_invoices": 8, "invoiced_amount": 1190, "invoiced_amount_365d": 1090},
    "owed now": {
        "receivables": 680, "overdue_amount": 270, "overdue_share": 270 / 680, "n_overdue": 2,
        "overdue_oldest_days": 120, "dso_days": 680 / 1090 * 365,
    },
    "paid": {"payment_mean_days": (20 + 50 + 40 + 25) / 4, "paid_in_full_share": 4 / 6},
    "late": {
        "late_mean_days": 151 / 6, "late_worst_days": 120, "late_share": 4 / 6,
        "late_trend_days": 131 / 4 - 10,
    },
    "disputed": {"disputed_share": 1 / 8},
}  # fmt: skip


@pytest.fixture
def payment_of(signals_of: SignalsOf) -> PaymentOf:
    """The signals of a customer with one invoice of 100, of day 1900 and due on day 1930."""

    def compute(*payments: tuple[int, float], as_of: int = AS_OF, **invoice: object) -> Signals:
        usual = {"invoice_id": "1", "day": 1900, "due_day": 1930}
        paid = [{"invoice_id": "1", "day": day, "amount": amount} for day, amount in payments]
        bought = [{"day": 1000}]
        return signals_of(
            as_of, order_lines=bought, invoices=[usual | invoice], payments=paid
        )  # fmt: skip

    return compute


class TestByHand:
    def test_covers_the_family(self) -> None:
        covered = [name for group in _BY_HAND.values() for name in group]
        assert sorted(covered) == sorted(n for n, s in CATALOGUE.items() if s.family == "payment")

    @pytest.mark.parametrize("group", _BY_HAND)
    def test_of_a_customer_with_all(self, group: str, signals_of: SignalsOf) -> None:
        found = signals_of(order_lines=[{"day": 1000}], invoices=_INVOICES, payments=_PAYMENTS)
        expected = _BY_HAND[group]
        assert {name: found[name] for name in expected} == pytest.approx(expected)

    def test_invoices_of_two_customers_may_have_one_number(self, ledger_with: LedgerWith) -> None:
        ids = [{"customer_id": "C"}, {"customer_id": "D"}]
        ledger = ledger_with(
            order_lines=[who | {"day": 1} for who in ids],
            invoices=[who | {"day": 1, "due_day": 9, "invoice_id": "1"} for who in ids],
            payments=[{"customer_id": "D", "day": 5, "invoice_id": "1"}],
        )
        signals = compute_signals(ledger, AS_OF)
        assert signals["receivables"].to_dict() == {"C": 100, "D": 0}
        assert signals["n_invoices"].to_dict() == {"C": 1, "D": 1}


class TestSettling:
    def test_is_the_day_on_which_nothing_was_left_open(self, payment_of: PaymentOf) -> None:
        found = payment_of((1910, 60.0), (1920, 40.0))
        assert (found["payment_mean_days"], found["late_share"]) == (20, 0)

    def test_money_that_comes_twice_or_goes_back_makes_nobody_late(
        self, payment_of: PaymentOf
    ) -> None:
        found = payment_of((1920, 100.0), (1980, 100.0), (1990, -100.0))
        assert (found["payment_mean_days"], found["late_mean_days"]) == (20, 0)
        assert found["receivables"] == 0

    def test_a_payment_that_bounced_settles_nothing(self, payment_of: PaymentOf) -> None:
        bounced = [(1920, 100.0), (1925, -100.0)]
        assert payment_of(*bounced)["overdue_amount"] == 100
        assert payment_of(*bounced, (1950, 100.0))["late_mean_days"] == 20
        assert payment_of(*bounced, as_of=1924)["receivables"] == 0
        assert payment_of(*bounced, as_of=1925)["receivables"] == 100

    def test_a_payment_that_bounced_the_same_day_never_came(self, payment_of: PaymentOf) -> None:
        found = payment_of((1920, 100.0), (1920, -100.0), (1940, 100.0))
        assert found["late_mean_days"] == 10

    @pytest.mark.parametrize(
        ("paid", "is_settled"), [(99.99, 0), (99.995, 0), (99.996, 1), (100.0, 1), (100.01, 1)]
    )
    def test_takes_all_but_less_than_half_a_cent(
        self, paid: float, is_settled: int, payment_of: PaymentOf
    ) -> None:
        found = payment_of((1920, paid - 50.0), (1920, 50.0))
        assert found["paid_in_full_share"] == is_settled
        assert found["receivables"] == pytest.approx(0 if is_settled else 100 - paid)


class TestLateness:
    @pytest.mark.parametrize(
        ("as_of", "overdue", "days"), [(1929, 0, None), (1930, 0, None), (1931, 1, 1)]
    )
    def test_begins_on_the_day_after_the_due_day(
        self, as_of: int, overdue: int, days: int | None, payment_of: PaymentOf
    ) -> None:
        found = payment_of(as_of=as_of)
        assert (found["n_overdue"], found["overdue_oldest_days"]) == (overdue, days)
        assert found["late_mean_days"] == days

    @pytest.mark.parametrize(("day", "late"), [(1930, 0), (1931, 1)])
    def test_of_what_was_paid_is_counted_from_the_due_day(
        self, day: int, late: int, payment_of: PaymentOf
    ) -> None:
        found = payment_of((day, 100.0))
        assert (found["late_share"], found["late_worst_days"]) == (late, late)
        assert found["n_overdue"] == 0

    def test_of_what_is_neither_paid_nor_due_is_not_judged(self, payment_of: PaymentOf) -> None:
        found = payment_of(due_day=AS_OF)
        judged = ("late_mean_days", "late_worst_days", "late_share", "paid_in_full_share")
        assert {found[name] for name in judged} == {None}
        assert (found["receivables"], found["overdue_share"]) == (100, 0)

    @pytest.mark.parametrize("earlier", [1820, 1821])
    def test_trend_parts_180_days_ago(self, earlier: int, signals_of: SignalsOf) -> None:
        dues = [{"day": 1500, "due_day": due} for due in (earlier, 1990)]
        found = signals_of(order_lines=[{"day": 1000}], invoices=dues)
        assert found["late_trend_days"] == (10 - 180 if earlier == 1820 else None)


class TestReceivables:
    def test_of_one_who_owes_nothing_are_0_and_have_no_shares(self, payment_of: PaymentOf) -> None:
        found = payment_of((1920, 100.0))
        assert (found["receivables"], found["overdue_amount"], found["dso_days"]) == (0, 0, 0)
        assert found["overdue_share"] is found["overdue_oldest_days"] is None

    def test_of_one_without_invoices_are_unknown(self, signals_of: SignalsOf) -> None:
        credit = {"day": 1900, "due_day": 1930, "amount": -5.0}
        for invoices in ([], [credit], [{"day": AS_OF + 1, "due_day": AS_OF + 9}]):
            found = signals_of(order_lines=[{"day": 1}], invoices=invoices)
            assert {found[n] for n, s in CATALOGUE.items() if s.family == "payment"} == {None}

    @pytest.mark.parametrize(
        ("day", "dso"), [(2000, 1), (1900, 101), (1637, 364), (1636, 365), (1635, None)]
    )
    def test_of_a_single_unpaid_invoice_stand_as_long_as_it_does_within_a_year(
        self, day: int, dso: int | None, payment_of: PaymentOf
    ) -> None:
        found = payment_of(day=day, due_day=day + 9)
        assert found["dso_days"] == (dso and pytest.approx(dso))
        assert found["invoiced_amount_365d"] == (100 if dso else 0)


def test_days_to_settle_and_days_late_are_as_ibm_has_them(shared: Path) -> None:
    """2,466 invoices of 100 customers, with the days that whoever published them counted."""
    given = pd.read_parquet(shared / "ibm_accounts_receivable" / "accounts_receivable.parquet")
    days = {
        name: (pd.to_datetime(given[column]) - pd.Timestamp("1970-01-01")).dt.days
        for name, column in {
            "day": "InvoiceDate", "due_day": "DueDate", "settled": "SettledDate"
        }.items()
    }  # fmt: skip
    rows = pd.DataFrame(
        {
            "customer_id": given["customerID"],
            "invoice_id": given["invoiceNumber"].astype(str),
            "amount": given["InvoiceAmount"],
            **days,
        }
    )
    lines = rows.assign(order_id=rows["invoice_id"], revenue=rows["amount"])
    paid = rows.assign(payment_id=rows["invoice_id"], day=rows["settled"])
    tables = {"order_lines": lines, "invoices": rows, "payments": paid}
    ledger = Ledger({name: _table(name, frame) for name, frame in tables.items()})
    signals = compute_signals(ledger, int(rows["settled"].max()))
    by_customer = given.groupby("customerID")
    for name, expected in {
        "n_invoices": by_customer.size(),
        "payment_mean_days": by_customer["DaysToSettle"].mean(),
        "late_mean_days": by_customer["DaysLate"].mean(),
        "late_worst_days": by_customer["DaysLate"].max(),
        "late_share": by_customer["DaysLate"].agg(lambda late: (late > 0).mean()),
        "invoiced_amount": by_customer["InvoiceAmount"].sum(),
    }.items():
        np.testing.assert_allclose(signals[name], expected.sort_index(), err_msg=name)
    assert (signals["paid_in_full_share"] == 1).all()
    assert (signals["receivables"] == 0).all()


def _table(name: str, rows: pd.DataFrame) -> pa.Table:
    keyed = rows.assign(row_key=[b"%d" % n for n in range(len(rows))])
    return pa.Table.from_pylist(keyed.to_dict("records"), TABLES[name].arrow_schema)
