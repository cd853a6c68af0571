"""The code by which analysts load a registered model with `mlflow.pyfunc`.

MLflow stores this file beside the bundle and runs it on load ("models from code"), so that nothing
is pickled. The service never does: it reads the bundle alone.
"""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from models.bundle import Bundle


class WorthModel(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined,misc] # untyped
    """A bundle as a pyfunc: signals in, forecasts out."""

    def load_context(self, context: Any) -> None:
        """Read the bundle and check its digests.

        Parameters
        ----------
        context : mlflow.pyfunc.PythonModelContext
            Where MLflow put the bundle.
        """
        self.bundle = Bundle.load(Path(context.artifacts["bundle"]))

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Forecast from signals.

        Parameters
        ----------
        context : mlflow.pyfunc.PythonModelContext
            Not used.
        model_input : DataFrame of shape (n_customers, n_columns)
            The signals the bundle needs.
        params : dict, optional
            Not used.

        Returns
        -------
        DataFrame of shape (n_customers, 9)
            As `Bundle.forecast` returns it.
        """
        del context, params
        return self.bundle.forecast(model_input)


mlflow.models.set_model(WorthModel())
