"""Load the champion from the model registry: the only module of serving that speaks MLflow."""

import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

# Before MLflow is imported, because it reads them on import.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# A server that is away is told of within seconds; by itself MLflow tries for minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")

import mlflow
import sqlalchemy as sa
from mlflow.exceptions import MlflowException

from models.bundle import Bundle

__all__ = ["Champion", "RegistryError", "load_champion"]

_MODEL_NAME, _CHAMPION = "worth", "champion"
_MANIFEST = "bundle.json"


class RegistryError(RuntimeError):
    """Raised where no champion can be had."""


@dataclass(frozen=True)
class Champion:
    """The model that scores.

    Parameters
    ----------
    name : str
        In the model registry.
    version : str
        In the model registry.
    bundle : Bundle
        The model itself, its digests checked.
    """

    name: str
    version: str
    bundle: Bundle


def load_champion(tracking_uri: str) -> Champion:
    """Load the version that the registry calls champion.

    Only the bundle's data is read; the code that MLflow keeps beside it is never run.

    Parameters
    ----------
    tracking_uri : str
        Of the MLflow server or database.

    Returns
    -------
    Champion
        Name, version and bundle.

    Raises
    ------
    RegistryError
        If there is no champion, or MLflow does not answer.
    BundleError
        If its files were changed.
    """
    _check_database(tracking_uri)
    for chatty in ("mlflow", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        client = mlflow.MlflowClient(tracking_uri, registry_uri=tracking_uri)
        version = client.get_model_version_by_alias(_MODEL_NAME, _CHAMPION)
    except sa.exc.SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        raise RegistryError(f"The model registry's database cannot be read: {cause}.") from None
    except MlflowException as error:
        raise RegistryError(
            f"The model registry names no champion ({str(error).splitlines()[0]}). "
            "'worth train' makes one, if it beats the baseline."
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        try:
            # By its address: looked up by its name, MLflow would ask whatever registry it was last
            # told of in this process.
            model = mlflow.artifacts.download_artifacts(
                client.get_model_version_download_uri(_MODEL_NAME, str(version.version)),
                dst_path=folder,
                tracking_uri=tracking_uri,
            )
        except (MlflowException, OSError) as error:
            raise RegistryError(
                f"The files of version {version.version} cannot be had: {error}"
            ) from error
        manifest = next(Path(model).rglob(_MANIFEST), None)
        if manifest is None:
            raise RegistryError(f"Version {version.version} of the model holds no bundle.")
        return Champion(_MODEL_NAME, str(version.version), Bundle.load(manifest.parent))


def _check_database(tracking_uri: str) -> None:
    """Refuse a database that is not there; MLflow would make an empty one."""
    path = tracking_uri.removeprefix("sqlite:///")
    if path != tracking_uri and not Path(path).exists():
        raise RegistryError(f"There is no model registry at {path} yet. 'worth train' makes one.")
