import numpy as np
import pandas as pd
import pytest

from models.attrition import NBDModel


def history(frequency: float, recency: float, T: float) -> pd.DataFrame:
    return pd.DataFrame({"frequency": [frequency], "recency": [recency], "T": [T]})


def test_parameters_on_cdnow(cdnow: pd.DataFrame) -> None:
    """Maximum likelihood estimates, computed independently; weak priors move alpha by 0.03 %."""
    model = NBDModel().fit(cdnow)
    assert model.r_ == pytest.approx(0.38476, rel=1e-3)
    assert model.alpha_ == pytest.approx(12.0719, rel=1e-3)
    assert model.log_likelihood(cdnow) == pytest.approx(-9763.66, abs=0.01)


def test_days_and_weeks_give_the_same_answer(cdnow: pd.DataFrame) -> None:
    days = cdnow.assign(recency=7 * cdnow["recency"], T=7 * cdnow["T"])
    np.testing.assert_allclose(
        NBDModel().fit(days).expected_purchases(days, 273),
        NBDModel().fit(cdnow).expected_purchases(cdnow, 39),
        rtol=1e-4,
    )


def test_everyone_is_alive(cdnow: pd.DataFrame) -> None:
    assert (NBDModel().fit(cdnow).p_alive(cdnow) == 1).all()


def test_p_no_purchase_is_the_closed_form(cdnow: pd.DataFrame) -> None:
    model = NBDModel().fit(cdnow)
    power = ((model.alpha_ + 30) / (model.alpha_ + 30 + 10)) ** (model.r_ + 3)
    assert model.p_no_purchase(history(3, 20, 30), 10)[0] == pytest.approx(power)
    assert model.p_no_purchase(history(3, 20, 30), 0)[0] == 1


def test_without_repeat_purchases_little_is_expected() -> None:
    once = pd.concat([history(0, 0, T) for T in range(1, 101)], ignore_index=True)
    model = NBDModel().fit(once)
    assert np.isfinite([model.r_, model.alpha_]).all()
    assert model.expected_purchases(once, 50).sum() < 1


def test_a_fractional_frequency_is_refused() -> None:
    with pytest.raises(ValueError, match=r"frequency is not a whole number for 1 of 1 .* 1\.5\)"):
        NBDModel().fit(history(1.5, 3, 4))


def test_a_recency_without_a_repeat_purchase_is_refused() -> None:
    with pytest.raises(ValueError, match="frequency and recency disagree"):
        NBDModel().fit(history(0, 3, 4))
