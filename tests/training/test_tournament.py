import sys
from datetime import date

import pytest

from features.ledger import Ledger, day_of
from training.baseline import naive_forecast
from training.panel import build_panel
from training.plan import plan_origins
from training.tournament import measure, run_tournament

_AS_OF = day_of(date(1998, 3, 31))


@pytest.fixture(scope="module")
def known(cdnow: Ledger) -> Ledger:
    return cdnow.up_to(_AS_OF)


def test_all_candidates_compete_where_the_history_allows_it(known: Ledger) -> None:
    tournament = run_tournament(known, plan_origins(known, _AS_OF, 90), "revenue")
    assert [entry.name for entry in tournament.entries] == ["naive", "latent", "boosted"]
    assert tournament.winner.loss == min(entry.loss for entry in tournament.entries[1:])
    assert tournament.beats_baseline


def test_the_boosted_candidate_sits_out_where_it_could_not_learn(known: Ledger) -> None:
    tournament = run_tournament(known, plan_origins(known, _AS_OF, 300), "revenue")
    assert [entry.name for entry in tournament.entries] == ["naive", "latent"]
    assert "the boosted one sat out" in tournament.remarks[0]


def test_the_naive_forecast_repeats_the_last_window(known: Ledger) -> None:
    panel = build_panel(known, _AS_OF - 90, 90, "revenue")
    naive = naive_forecast(known, panel.signals, origin=_AS_OF, days=90, basis="revenue")
    assert naive["expected_value"].tolist() == panel.outcomes["value"].tolist()
    assert naive["expected_purchases"].tolist() == panel.outcomes["purchases"].tolist()


def test_the_naive_churn_rises_with_silence(known: Ledger) -> None:
    panel = build_panel(known, _AS_OF, 90, "revenue")
    for days in (90, 450):  # the second window reaches back before the first order
        naive = naive_forecast(known, panel.signals, origin=_AS_OF, days=days, basis="revenue")
        order = panel.signals["days_since_last_purchase"].sort_values().index
        assert naive.loc[order, "churn_probability"].is_monotonic_increasing
        assert naive["churn_probability"].between(0, 1).all()


def test_the_naive_figures_are_those_of_the_oracles(cdnow: Ledger) -> None:
    # ORACLES 5, CDNOW 1/10 sample, "naive: the last window".
    origin = day_of(date(1997, 9, 30))
    panel = build_panel(cdnow, origin, 273, "revenue")
    naive = naive_forecast(cdnow, panel.signals, origin=origin, days=273, basis="revenue")
    figures = measure(naive, panel.outcomes)
    assert figures["value_gini"] == pytest.approx(0.680, abs=0.002)
    assert figures["value_tweedie"] == pytest.approx(0.874, abs=0.001)
    assert figures["value_wape"] == pytest.approx(2.047, abs=0.001)
    assert figures["value_bias"] == pytest.approx(1.44, abs=0.01)
    assert figures["purchases_mae"] == pytest.approx(1.596, abs=0.001)
    assert figures["churn_auc"] == pytest.approx(0.771, abs=0.001)


def test_the_boosted_candidate_sits_out_where_lightgbm_cannot_be_loaded(
    known: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)  # so that Python refuses to import it
    tournament = run_tournament(known, plan_origins(known, _AS_OF, 90), "revenue")
    assert [entry.name for entry in tournament.entries] == ["naive", "latent"]
    assert "The boosted candidate sat out: " in tournament.remarks[0]
