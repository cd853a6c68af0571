import pandas as pd
import pytest

from features.engines.duckdb import compute_signals
from features.ledger import Ledger
from features.signals.catalogue import CATALOGUE
from features.totals import SUMMED, shares_of_company, totals_of


def test_what_is_summed_is_in_the_catalogue() -> None:
    assert set(SUMMED) <= set(CATALOGUE)


def test_shares_of_a_real_company_add_up_to_1(cdnow: Ledger) -> None:
    signals = compute_signals(cdnow, cdnow.last_day)
    shares = shares_of_company(signals, totals_of(signals))
    assert shares["revenue_share"].sum() == pytest.approx(1)
    assert shares["gross_margin_share_365d"].isna().all()


def test_one_customer_is_compared_by_the_totals_alone(cdnow: Ledger) -> None:
    signals = compute_signals(cdnow, cdnow.last_day)
    totals = totals_of(signals)
    one = shares_of_company(signals.iloc[[3]], totals)
    pd.testing.assert_frame_equal(one, shares_of_company(signals, totals).iloc[[3]])


def test_without_sales_nobody_has_a_share() -> None:
    signals = pd.DataFrame({name: [0.0, -5.0] for name in SUMMED})
    assert shares_of_company(signals, totals_of(signals)).isna().all(axis=None)
