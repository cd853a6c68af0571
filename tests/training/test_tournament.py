import sys
from collections.abc import Callable
from datetime import date

import numpy as np
import pytest

from features.ledger import Ledger, day_of
from models.attrition import ATTRITION_MODELS
from models.value.forecaster import QUESTIONS
from training.baseline import naive_forecast
from training.candidates import fit_latent
from training.measure import measure
from training.panel import Panel, build_panel, sampled
from training.plan import TrainingError, plan_origins
from training.tournament import (
    BASELINE,
    LOSSES,
    Tournament,
    run_tournament,
)

_AS_OF = day_of(date(1998, 3, 31))


@pytest.fixture(scope="module")
def known(cdnow: Ledger) -> Ledger:
    return cdnow.up_to(_AS_OF)


@pytest.fixture(scope="module")
def held(known: Ledger) -> tuple[Tournament, dict[int, Panel]]:
    return run_tournament(known, plan_origins(known, _AS_OF, 90), "revenue")


@pytest.fixture(scope="module")
def tournament(held: tuple[Tournament, dict[int, Panel]]) -> Tournament:
    return held[0]


_LATENT = list(ATTRITION_MODELS)
_BOOSTED = ["boosted", "corrected"]
_BLENDS = [
    *("latent + boosted", "latent + corrected"),
    *("boosted + corrected", "latent + boosted + corrected"),
]


def test_all_candidates_compete_where_the_history_allows_it(tournament: Tournament) -> None:
    names = [entry.name for entry in tournament.entries]
    assert names == [BASELINE, *_LATENT, *_BOOSTED, *_BLENDS]
    assert tournament.baseline.name == BASELINE
    assert not tournament.remarks


def test_a_candidates_figures_are_the_means_of_its_trials(tournament: Tournament) -> None:
    assert len(tournament.trials) == 3
    for entry in tournament.entries:
        losses = [trial.metrics[entry.name]["value_tweedie"] for trial in tournament.trials]
        assert entry.loss("value") == pytest.approx(np.mean(losses))


@pytest.mark.parametrize("question", LOSSES)
def test_the_winner_beats_the_baseline_on_cdnow(tournament: Tournament, question: str) -> None:
    winner = tournament.winner_of(question)
    assert winner.parts
    assert winner.loss(question) < 0.95 * tournament.baseline.loss(question)
    assert sum(tournament.weights[question].values()) == pytest.approx(1.0)


def test_only_the_best_model_of_attrition_can_serve(tournament: Tournament) -> None:
    servable = {entry.name for entry in tournament.entries if entry.parts}
    assert servable == {tournament.attrition, *_BOOSTED, *_BLENDS}


def test_a_blend_is_the_mean_of_its_parts(tournament: Tournament) -> None:
    forecasts = tournament.trials[0].forecasts
    parts = (forecasts[tournament.attrition], forecasts["boosted"])
    mean = (parts[0]["expected_value"] + parts[1]["expected_value"]) / 2
    np.testing.assert_allclose(forecasts["latent + boosted"]["expected_value"], mean)


def test_the_winners_forecast_takes_each_question_from_its_winner(tournament: Tournament) -> None:
    trial = tournament.trials[0]
    said = tournament.forecast_of_winners(trial)
    for question, column in QUESTIONS.items():
        winner = tournament.winner_of(question).name
        assert (said[column] == trial.forecasts[winner][column]).all()
    assert tournament.metrics.keys() == tournament.baseline.metrics.keys()


def test_panels_are_those_of_the_plans_days(held: tuple[Tournament, dict[int, Panel]]) -> None:
    tournament, panels = held
    plan = tournament.plan
    needed = {*plan.test_origins, *plan.learning_origins(plan.as_of)}
    assert needed <= set(panels) <= set(plan.origins)
    assert all(len(panel.signals) for panel in panels.values())


@pytest.mark.parametrize(
    ("losses", "winner"),
    [
        ({"pareto_nbd": 0.80, "latent + boosted": 0.85}, "pareto_nbd"),
        ({"pareto_nbd": 0.845, "latent + boosted": 0.85}, "latent + boosted"),
        ({"pareto_nbd": 0.80, "boosted": 0.79}, "boosted"),
        ({"pareto_nbd": 0.80, "latent + boosted": float("nan")}, "pareto_nbd"),
    ],
    ids=["clearly better", "hardly better", "the usual one sat out", "the usual one has no loss"],
)
def test_the_usual_is_left_only_for_what_is_clearly_better(
    tournament_of: Callable[..., Tournament], losses: dict[str, float], winner: str
) -> None:
    figures = {name: {"value_tweedie": loss} for name, loss in losses.items()}
    assert tournament_of((90, 1.0), (136, 1.0), figures=figures).winner.name == winner


def test_on_one_day_alone_it_must_be_clearer(tournament_of: Callable[..., Tournament]) -> None:
    figures = {"pareto_nbd": {"value_tweedie": 0.8}, "latent + boosted": {"value_tweedie": 0.9}}
    assert tournament_of((90, 1.0), figures=figures).winner.name == "latent + boosted"
    figures["pareto_nbd"] = {"value_tweedie": 0.7}
    assert tournament_of((90, 1.0), figures=figures).winner.name == "pareto_nbd"


def test_over_less_than_the_horizon_purchases_are_the_latent_models(
    tournament_of: Callable[..., Tournament],
) -> None:
    names = ("pareto_nbd", "boosted", "latent + corrected")
    figures = {name: {"purchases_poisson": 0.9} for name in names}
    windows = ((90, 1.0), (136, 1.0))
    short = tournament_of(*windows, figures=figures, horizon_days=365)
    assert short.winner_of("purchases").name == "pareto_nbd"
    assert tournament_of(*windows, figures=figures).winner_of("purchases").name == (
        "latent + corrected"
    )


def test_a_short_history_is_told_of(known: Ledger) -> None:
    tournament, _ = run_tournament(known, plan_origins(known, _AS_OF, 300), "revenue")
    assert tournament.trials
    assert "competed over 182 days instead of 300" in tournament.remarks[0]


def test_the_boosted_sit_out_where_there_is_too_little_to_learn_from(known: Ledger) -> None:
    few = sampled(known, 20)
    tournament, _ = run_tournament(few, plan_origins(few, _AS_OF, 90), "revenue")
    assert [entry.name for entry in tournament.entries] == [BASELINE, *_LATENT]
    assert tournament.winner.name == tournament.attrition


def test_without_a_past_day_the_latent_model_is_what_there_is(ledger_of) -> None:  # type: ignore[no-untyped-def]
    ledger = ledger_of([{"customer_id": "a", "ordered_at": "2020-01-01", "revenue": 1.0}])
    plan = plan_origins(ledger, ledger.last_day, 30)
    tournament, panels = run_tournament(ledger, plan, "revenue")
    assert [entry.name for entry in tournament.entries] == [BASELINE, "pareto_nbd"]
    assert (tournament.trials, panels) == ((), {})
    assert tournament.weights == {question: {"latent": 1.0} for question in LOSSES}
    assert "too short to hold candidates against it" in tournament.remarks[0]


def test_a_value_nobody_knows_is_refused(known: Ledger) -> None:
    signals = build_panel(known, _AS_OF, 90, "revenue").signals
    with pytest.raises(TrainingError, match="by 1998-03-31 has a cost, so there is no margin"):
        fit_latent(signals, "gross_margin", "nbd", origin=_AS_OF)


def test_absolute_errors_are_judged_on_the_median_where_there_is_one(known: Ledger) -> None:
    panel = build_panel(known, _AS_OF - 90, 90, "revenue")
    naive = naive_forecast(known, panel.signals, origin=_AS_OF - 90, days=90, basis="revenue")
    nothing = measure(naive.assign(value_median=0.0), panel.outcomes)
    assert nothing["value_wape"] == 1.0
    assert nothing["value_mae"] == measure(naive, panel.outcomes)["value_mae"]


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


def test_the_boosted_sit_out_where_lightgbm_cannot_be_loaded(
    known: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)  # so that Python refuses to import it
    tournament, _ = run_tournament(known, plan_origins(known, _AS_OF, 90), "revenue")
    assert [entry.name for entry in tournament.entries] == [BASELINE, *_LATENT]
    assert "The boosted candidates sat out: " in tournament.remarks[0]
