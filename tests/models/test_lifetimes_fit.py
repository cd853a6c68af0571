import warnings

import numpy as np
import pytest

from models.lifetimes_fit import converged_parameters

PURCHASES = {"frequency": np.array([1.0, 2, 4]), "monetary_value": np.array([0.5, 1, 2])}


def test_the_first_accepted_penalty_is_returned() -> None:
    tried: list[float] = []

    def second(parameters: dict[str, float]) -> bool:
        tried.append(parameters["q"])
        return len(tried) == 2

    found = converged_parameters("GammaGammaFitter", [0.01, 0.1, 1.0], second, **PURCHASES)
    assert found is not None
    assert found.penalty == 0.1
    assert found.parameters.keys() == {"p", "q", "v"}


def test_without_convergence_there_is_nothing_and_silence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    same = {"frequency": np.ones(5), "monetary_value": np.ones(5)}
    converged_parameters("GammaGammaFitter", [0.0], **same)
    assert capsys.readouterr().out == ""
    assert converged_parameters("GammaGammaFitter", [1.0], lambda found: False, **same) is None


def test_warning_filters_are_left_as_they_were() -> None:
    before = list(warnings.filters)
    converged_parameters("GammaGammaFitter", [0.1], **PURCHASES)
    assert warnings.filters == before
