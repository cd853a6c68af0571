import numpy as np
import pandas as pd
import pytest

from models.metrics import normalised_gini
from training.pictures import draw_gain_curve

VALUE = [6.0, 0.0, 3.0, 1.0, 0.0]
OUTCOMES = pd.DataFrame({"value": VALUE})


def forecast(*values: float) -> pd.DataFrame:
    return pd.DataFrame({"expected_value": values})


def test_a_curve_is_the_share_of_value_that_the_best_customers_brought() -> None:
    axes = draw_gain_curve({"latent": forecast(2, 1, 5, 4, 3)}, OUTCOMES).axes[0]
    perfect, latent, chance = axes.lines[:3]
    assert latent.get_ydata() == pytest.approx([0, 0.3, 0.4, 0.4, 1, 1])
    assert perfect.get_ydata() == pytest.approx([0, 0.6, 0.9, 1, 1, 1])
    assert latent.get_xdata() == pytest.approx(np.linspace(0, 1, 6))
    assert list(chance.get_xdata()) == list(chance.get_ydata()) == [0, 1]


def test_candidates_are_named_with_their_gini_and_the_best_is_in_the_title() -> None:
    poor, good = forecast(1, 2, 3, 4, 5), forecast(*VALUE)
    figure = draw_gain_curve({"naive": poor, "latent": good}, OUTCOMES)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    gini = normalised_gini(VALUE, [1, 2, 3, 4, 5])
    assert names == ["perfect order", f"naive (Gini {gini:.2f})", "latent (Gini 1.00)", "chance"]
    assert figure.get_suptitle() == "The best 20% of customers by latent brought 60% of value"


def test_the_order_of_the_table_is_no_forecast() -> None:
    outcomes = pd.DataFrame({"value": np.sort(np.random.default_rng(1).gamma(1, 1, 2_000))[::-1]})
    constant = pd.DataFrame({"expected_value": np.ones(2_000)})
    gained = draw_gain_curve({"naive": constant}, outcomes).axes[0].lines[1].get_ydata()
    assert gained == pytest.approx(np.linspace(0, 1, 2_001), abs=0.05)
