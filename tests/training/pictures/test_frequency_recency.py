import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from models.attrition import BetaGeoModel
from training.pictures import draw_frequency_recency


@pytest.fixture(scope="module")
def model() -> BetaGeoModel:
    # Half of the customers left after a while, the others still buy.
    rng = np.random.default_rng(0)
    frequency = rng.poisson(rng.gamma(1, 3, 300))
    last = np.where(rng.random(300) < 0.5, 25, 39)
    customers = {"frequency": frequency, "recency": np.where(frequency > 0, last, 0), "T": 40}
    return BetaGeoModel().fit(pd.DataFrame(customers))


def cells(figure: Figure, panel: int) -> np.ma.MaskedArray:
    return figure.axes[panel].collections[0].get_array()


def test_cells_are_what_the_model_says(model: BetaGeoModel) -> None:
    figure = draw_frequency_recency(model, T=40, horizon_days=30, max_frequency=5)
    customer = pd.DataFrame({"frequency": [3], "recency": [25], "T": [40]})
    assert cells(figure, 0).shape == (6, 41)
    assert cells(figure, 0)[3, 25] == pytest.approx(model.p_alive(customer)[0])
    assert cells(figure, 1)[3, 25] == pytest.approx(model.expected_purchases(customer, 30)[0])


def test_customers_that_cannot_be_are_left_out(model: BetaGeoModel) -> None:
    hidden = cells(draw_frequency_recency(model, T=4, horizon_days=9, max_frequency=9), 0).mask
    assert hidden.tolist() == [
        [recency < frequency for recency in range(5)] for frequency in range(5)
    ]


def test_panels_say_their_units(model: BetaGeoModel) -> None:
    left, right, *_ = draw_frequency_recency(model, T=40, horizon_days=1, max_frequency=5).axes
    assert left.get_ylabel() == "frequency (repeat purchase days)"
    assert left.get_xlabel().startswith("recency (days from first to last purchase")
    assert left.get_title(loc="left") == "p_alive of customers won 40 days ago"
    assert right.get_title(loc="left") == "Their expected purchases in the next 1 day"


def test_the_title_gives_the_silence_that_tells(model: BetaGeoModel) -> None:
    figure = draw_frequency_recency(model, T=40, horizon_days=30, max_frequency=5)
    silence = 40 - np.flatnonzero(cells(figure, 0)[5].filled(1.0) < 0.5).max()
    title = figure.get_suptitle()
    assert title.startswith(f"After 5 repeat purchases, {silence} days of silence make a customer")


def test_a_model_of_single_purchases_shows_one_row() -> None:
    single = BetaGeoModel().fit(pd.DataFrame({"frequency": [0], "recency": [0], "T": [90]}))
    figure = draw_frequency_recency(single, T=90, horizon_days=30, max_frequency=0)
    assert set(np.unique(cells(figure, 0))) == {1.0}
    assert figure.get_suptitle().startswith("The model takes nobody for gone")


def test_large_histories_are_thinned_out(model: BetaGeoModel) -> None:
    figure = draw_frequency_recency(model, T=2_000.5, horizon_days=30, max_frequency=900)
    assert cells(figure, 0).shape == (41, 61)
