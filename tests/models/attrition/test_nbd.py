import numpy as np
import pandas as pd
import pytest

from models.attrition import NBDModel


def history(frequency: float, recency: float, T: float) -> pd.DataFrame:
    return pd.DataFrame({"frequency": [frequency], "recency": [recency], "T": [T]})


def test_parameters_on_cdnow(cdnow: pd.DataFrame) -> None:
    """Maximum likelihood estimates, computed independently."""
    model = NBDModel().fit(cdnow)
    assert model.r_ == pytest.approx(0.38476, abs=2e-5)
    assert model.alpha_ == pytest.approx(12.0719, abs=5e-4)
    assert model.log_likelihood_ == pytest.approx(-9763.66, abs=0.005)
    assert not model.fallback_


def test_everyone_is_alive(cdnow: pd.DataFrame) -> None:
    assert (NBDModel().fit(cdnow).p_alive(cdnow) == 1).all()


def test_p_no_purchase_is_the_closed_form(cdnow: pd.DataFrame) -> None:
    model = NBDModel().fit(cdnow)
    power = ((model.alpha_ + 30) / (model.alpha_ + 30 + 10)) ** (model.r_ + 3)
    assert model.p_no_purchase(history(3, 20, 30), 10)[0] == pytest.approx(power)
    assert model.p_no_purchase(history(3, 20, 30), 0)[0] == 1


def test_discounted_purchases_are_the_closed_form(cdnow: pd.DataFrame) -> None:
    model, daily = NBDModel().fit(cdnow), np.log1p(0.1) / 365
    rate = (model.r_ + 3) / (model.alpha_ + 30)
    for horizon, reach in ((90, 1 - np.exp(-90 * daily)), (None, 1)):
        found = model.discounted_purchases(history(3, 20, 30), 0.1, horizon)[0]
        assert found == pytest.approx(rate * reach / daily, rel=1e-9)


def test_without_repeat_purchases_little_is_expected() -> None:
    once = pd.concat([history(0, 0, T) for T in range(1, 101)], ignore_index=True)
    model = NBDModel().fit(once)
    assert np.isfinite([model.r_, model.alpha_]).all()
    assert model.expected_purchases(once, 50).sum() < 0.1


def test_a_fractional_frequency_is_refused() -> None:
    with pytest.raises(ValueError, match=r"frequency is not a whole number for 1 of 1 .* 1\.5\)"):
        NBDModel().fit(history(1.5, 3, 4))


def test_a_recency_without_a_repeat_purchase_is_refused() -> None:
    with pytest.raises(ValueError, match="frequency and recency disagree"):
        NBDModel().fit(history(0, 3, 4))


def test_parameters_on_all_of_cdnow(cdnow_all: pd.DataFrame) -> None:
    assert NBDModel().fit(cdnow_all).log_likelihood_ == pytest.approx(-96_845.34, abs=0.005)
