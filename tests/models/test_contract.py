"""Every estimator keeps scikit-learn's contract, and is plain data once fitted."""

import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from models.attrition import ATTRITION_MODELS
from models.base import FloatArray, Model
from models.spend import GammaGammaModel
from models.value import BoostedValueModel, LatentValueModel

HORIZON = 90


@dataclass
class Case:
    estimator: Model
    predict: Callable[[Model, pd.DataFrame], FloatArray]

    def fit(self, X: pd.DataFrame, estimator: Model | None = None) -> Model:
        y = pd.DataFrame({"purchases": X["frequency"] // 2, "value": X["revenue"] / 3})
        model = estimator or clone(self.estimator)
        return model.fit(X, y, base=base(X)) if is_boosted(model) else model.fit(X, y)


def is_boosted(model: Model) -> bool:
    """Whether it is given what a latent model expects."""
    return isinstance(model, BoostedValueModel)


def base(X: pd.DataFrame) -> pd.DataFrame:
    purchases = 0.1 + X["frequency"] / 4
    return pd.DataFrame(
        {
            "expected_purchases": purchases,
            "churn_probability": np.exp(-purchases),
            "expected_value": 2 * purchases,
        }
    )


def purchases(model: Model, X: pd.DataFrame) -> FloatArray:
    columns = [model.expected_purchases(X, HORIZON), model.p_alive(X)]
    columns += [model.p_no_purchase(X, HORIZON), model.expected_next_purchase_days(X)]
    columns += [*model.purchase_probabilities(X, HORIZON, 2).T]
    return np.column_stack([*columns, model.discounted_purchases(X, 0.1)])


CATALOGUE = {
    **{name: Case(model(), purchases) for name, model in ATTRITION_MODELS.items()},
    "gamma_gamma": Case(GammaGammaModel(), lambda model, X: model.expected_spend(X)),
    "latent": Case(
        LatentValueModel("gross_margin"), lambda model, X: model.forecast(X, HORIZON).to_numpy()
    ),
    "boosted": Case(
        BoostedValueModel(HORIZON), lambda model, X: model.forecast(X, base(X)).to_numpy()
    ),
    "corrected": Case(
        BoostedValueModel(HORIZON, is_correction=True),
        lambda model, X: model.forecast(X, base(X)).to_numpy(),
    ),
}


@pytest.fixture(params=CATALOGUE, scope="module")
def case(request: pytest.FixtureRequest) -> Case:
    return CATALOGUE[request.param]


@pytest.fixture(scope="module")
def X(signals: pd.DataFrame) -> pd.DataFrame:
    spend = {"n_purchases": "n_purchase_days", "mean_value": "mean_purchase_revenue"}
    return signals.assign(**{name: signals[column] for name, column in spend.items()})


@pytest.fixture(scope="module")
def fitted(case: Case, X: pd.DataFrame) -> Model:
    return case.fit(X)


def test_init_only_stores(case: Case) -> None:
    given = case.estimator.get_params()
    assert vars(case.estimator) == given
    assert clone(case.estimator).get_params() == given


def test_scikit_learn_knows_it_as_an_estimator(case: Case, fitted: Model) -> None:
    assert get_tags(case.estimator) == get_tags(BaseEstimator())
    check_is_fitted(fitted)
    with pytest.raises(NotFittedError):
        check_is_fitted(clone(case.estimator))
    given = case.estimator.get_params()
    assert clone(case.estimator).set_params(**given).get_params() == given
    with pytest.raises(ValueError, match="Got 'no_such'"):
        clone(case.estimator).set_params(no_such=1)


def test_fit_returns_self_and_leaves_parameters_and_data_alone(case: Case, X: pd.DataFrame) -> None:
    estimator, before = clone(case.estimator), X.copy()
    assert case.fit(X, estimator) is estimator
    assert estimator.get_params() == case.estimator.get_params()
    pd.testing.assert_frame_equal(X, before)


def test_unfitted_models_say_so(case: Case, X: pd.DataFrame) -> None:
    with pytest.raises(NotFittedError):
        case.predict(clone(case.estimator), X)
    with pytest.raises(NotFittedError):
        case.estimator.to_state()


def test_a_second_fit_forgets_the_first(case: Case, fitted: Model, X: pd.DataFrame) -> None:
    refitted = case.fit(X.iloc[:50])
    np.testing.assert_array_equal(case.predict(case.fit(X, refitted), X), case.predict(fitted, X))


def test_a_pickle_predicts_the_same(case: Case, fitted: Model, X: pd.DataFrame) -> None:
    copy = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(case.predict(copy, X), case.predict(fitted, X))


def test_a_state_survives_json_exactly(case: Case, fitted: Model, X: pd.DataFrame) -> None:
    state = json.loads(json.dumps(fitted.to_state(), allow_nan=False))
    restored = type(fitted).from_state(state)
    np.testing.assert_array_equal(case.predict(restored, X), case.predict(fitted, X))
    assert json.loads(json.dumps(restored.to_state())) == state


def test_the_order_of_columns_is_ignored(case: Case, fitted: Model, X: pd.DataFrame) -> None:
    turned = X[X.columns[::-1]]
    expected = case.predict(fitted, X)
    np.testing.assert_array_equal(case.predict(fitted, turned), expected)
    np.testing.assert_array_equal(case.predict(case.fit(turned), X), expected)


def test_a_customer_is_predicted_alike_alone_and_in_company(
    case: Case, fitted: Model, X: pd.DataFrame
) -> None:
    alone = case.predict(fitted, X.iloc[[7]])
    np.testing.assert_allclose(alone[0], case.predict(fitted, X)[7], rtol=1e-12)


def test_predictions_are_finite_and_one_per_customer(
    case: Case, fitted: Model, X: pd.DataFrame
) -> None:
    predicted = case.predict(fitted, X)
    assert len(predicted) == len(X)
    assert np.isfinite(predicted).all()
    assert len(case.predict(fitted, X.iloc[:0])) == 0


@pytest.mark.parametrize("n_customers", [1, 2, 10])
def test_few_customers_are_enough(case: Case, X: pd.DataFrame, n_customers: int) -> None:
    few = X.dropna().iloc[:n_customers]
    assert np.isfinite(case.predict(case.fit(few), X)).all()


def test_no_customers_are_refused(case: Case, X: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"needs 1 or more|0 rows"):
        case.fit(X.iloc[:0])


def test_missing_columns_are_refused_by_name(case: Case, fitted: Model, X: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=f"{type(fitted).__name__}.*needs the columns"):
        case.predict(fitted, X[["gross_margin", "frequency"]])
