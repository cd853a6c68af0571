from collections.abc import Callable
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from features.engines.duckdb import compute_signals
from features.ledger import Ledger
from models.bundle import Bundle
from training.tracking import Tracking


@pytest.fixture
def bundle(register: Callable[..., Bundle]) -> Bundle:
    return register()


@pytest.fixture
def loaded(tracking: Tracking, bundle: Bundle) -> Any:
    """The registered version, as an analyst loads it."""
    del bundle
    mlflow.set_tracking_uri(tracking.uri)
    mlflow.set_registry_uri(tracking.uri)
    return mlflow.pyfunc.load_model("models:/worth/1")


def test_it_forecasts_exactly_what_the_bundle_does(
    loaded: Any, bundle: Bundle, cdnow: Ledger
) -> None:
    signals = compute_signals(cdnow, cdnow.last_day)[list(bundle.required_columns)]
    pd.testing.assert_frame_equal(
        loaded.predict(signals), bundle.forecast(signals), check_exact=True
    )


def test_its_signature_names_what_goes_in_and_what_comes_out(loaded: Any, bundle: Bundle) -> None:
    signature, example = loaded.metadata.signature, loaded.input_example
    assert signature.inputs.input_names() == list(bundle.required_columns)
    assert signature.outputs.input_names() == list(bundle.forecast(example).columns)


def test_its_input_example_is_one_row_that_it_forecasts(loaded: Any, bundle: Bundle) -> None:
    assert loaded.input_example.shape == (1, len(bundle.required_columns))
    forecast = loaded.predict(loaded.input_example)
    assert forecast["expected_value"].notna().all()


def test_a_missing_signal_is_refused_by_name(loaded: Any) -> None:
    with pytest.raises(MlflowException, match="recency"):
        loaded.predict(loaded.input_example.drop(columns="recency"))
