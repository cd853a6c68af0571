import pandas as pd
import pytest

from features.engines.duckdb import compute_signals
from features.ledger import Ledger
from features.totals import shares_of_company, totals_of
from models.tier.scorecard import Scorecard
from serving.comparison import Company, compare


def test_one_customer_is_compared_as_all_together(cdnow: Ledger) -> None:
    signals = compute_signals(cdnow, cdnow.last_day)
    values = signals.assign(expected_value=signals["revenue"] / 3)
    card = Scorecard().fit(values)
    company = Company.from_json(Company(totals_of(signals), card).to_json())
    together = shares_of_company(signals, company.totals).join(card.rate(values))

    for who in signals.index[::50]:
        one = {
            str(name): None if pd.isna(value) else value
            for name, value in signals.loc[who].to_dict().items()
        }
        found = compare(company, one, float(values.loc[who, "expected_value"]))
        expected = together.loc[who]
        assert list(found) == list(expected.index)
        for name, value in found.items():
            if pd.isna(expected[name]):
                assert value is None
            else:
                assert value == pytest.approx(expected[name], rel=1e-12)


def test_without_a_score_the_future_is_not_known(cdnow: Ledger) -> None:
    signals = compute_signals(cdnow, cdnow.last_day)
    company = Company(totals_of(signals), Scorecard().fit(signals))

    assert compare(company, dict.fromkeys(signals.columns), None)["future"] is None
