import numpy as np
import pandas as pd
import pytest

from models.attrition import ATTRITION_MODELS


@pytest.mark.parametrize("name", list(ATTRITION_MODELS))
def test_an_outlook_answers_as_the_model_does(name: str, signals: pd.DataFrame) -> None:
    model = ATTRITION_MODELS[name]().fit(signals)
    outlook = model.outlook(signals)
    for days in (0.0, 30.0, 365.0):
        horizon = np.full(len(signals), days)
        expected = model.expected_purchases(signals, days)
        np.testing.assert_array_equal(outlook.expected_purchases(horizon), expected)
        np.testing.assert_array_equal(
            outlook.p_no_purchase(horizon), model.p_no_purchase(signals, days)
        )
    np.testing.assert_array_equal(outlook.p_alive, model.p_alive(signals))


@pytest.mark.parametrize("name", list(ATTRITION_MODELS))
def test_a_few_customers_are_seen_as_they_are_among_many(name: str, signals: pd.DataFrame) -> None:
    model = ATTRITION_MODELS[name]().fit(signals)
    among = model.expected_purchases(signals, 90)
    alone = [model.expected_purchases(signals.iloc[[row]], 90)[0] for row in range(50)]
    np.testing.assert_allclose(alone, among[:50], rtol=1e-12)
