from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from models.attrition import AttritionModel, ModifiedBetaGeoModel

ModelOf = Callable[..., AttritionModel]
Histories = Callable[..., pd.DataFrame]


def test_parameters_on_cdnow(cdnow: pd.DataFrame) -> None:
    """R's BTYDplus, by lifetimes' test."""
    model = ModifiedBetaGeoModel().fit(cdnow)
    found = [model.r_, model.alpha_, model.a_, model.b_]
    np.testing.assert_allclose(found, [0.525, 6.183, 0.891, 1.614], atol=5e-4)
    assert model.log_likelihood_ == pytest.approx(-9582.13, abs=0.005)


def test_parameters_on_all_of_cdnow(cdnow_all: pd.DataFrame) -> None:
    model = ModifiedBetaGeoModel().fit(cdnow_all)
    found = [model.r_, model.alpha_, model.a_, model.b_]
    np.testing.assert_allclose(found, [0.6371, 7.3103, 0.8075, 1.2284], atol=2e-4)
    assert model.log_likelihood_ == pytest.approx(-95_336.96, abs=0.005)


@pytest.mark.parametrize(("row", "known"), [((0, 0, 40), -0.41792826), ((200, 38, 40), 100.7869)])
def test_stable_log_likelihood(
    model_of: ModelOf, histories: Histories, row: tuple[float, float, float], known: float
) -> None:
    """After Hardie's note 027."""
    model = model_of(ModifiedBetaGeoModel, r=0.25, alpha=4.0, a=0.8, b=2.5)
    assert model.log_likelihood(histories(row)) == pytest.approx(known, abs=5e-5)


def test_who_bought_once_may_have_left(model_of: ModelOf, histories: Histories) -> None:
    model = model_of(ModifiedBetaGeoModel, r=0.5, alpha=6.0, a=0.9, b=1.6)
    new, silent = model.p_alive(histories((0, 0, 0), (0, 0, 39)))
    assert new == pytest.approx(1.6 / 2.5)
    assert silent < new
