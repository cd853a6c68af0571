"""Keep every run and register models: the only module of training that speaks MLflow."""

import json
import logging
import os
import subprocess
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any

# Before MLflow is imported, because it reads them on import.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# A server that is away is told of within seconds; by itself MLflow tries for minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")

import mlflow
import pandas as pd
import sqlalchemy as sa
from matplotlib.figure import Figure
from mlflow.exceptions import MlflowException

from models.bundle import Bundle
from training.versions import CHALLENGER, CHAMPION, Promotion, Version

__all__ = ["MODEL_NAME", "Tracking", "TrackingError"]

MODEL_NAME = "worth"
EXPERIMENT = "worth"
# Each promotion is a tag of its own, named after its time: what is only added is never overwritten.
_PROMOTION_TAG = "worth.promotion."


class TrackingError(RuntimeError):
    """Raised where MLflow does not answer, or does not have a file that it should."""


@dataclass(frozen=True)
class Tracking:
    """Where runs and models are kept.

    Parameters
    ----------
    uri : str
        Of the MLflow tracking server or database, such as "sqlite:///worth-data/mlflow.db".
    artifacts : Path
        Folder for the artefacts of a database on this machine; a server has its own place.
    """

    uri: str
    artifacts: Path

    @contextmanager
    def run(self, name: str, params: Mapping[str, Any]) -> Iterator[str]:
        """Keep what is logged in the block as one run, with the git commit it came from.

        Parameters
        ----------
        name : str
            What to call it.
        params : mapping of str to object
            What it was made with.

        Yields
        ------
        str
            The run's id. Where the block fails, the run is marked as failed.

        Raises
        ------
        TrackingError
            If MLflow does not answer.
        """
        with self._connected(), mlflow.start_run(run_name=name) as run:
            mlflow.log_params(dict(params) | {"git_commit": _git_commit()})
            yield run.info.run_id

    def check(self) -> None:
        """Find out whether runs can be kept, before the work that they are to keep.

        Raises
        ------
        TrackingError
            If MLflow does not answer.
        """
        with self._connected():
            pass

    def log_candidate(self, name: str, metrics: Mapping[str, float]) -> None:
        """Keep a candidate's figures as a child of the running run.

        Parameters
        ----------
        name : str
            The candidate.
        metrics : mapping of str to float
            Its figures; those that could not be taken are left out.
        """
        with mlflow.start_run(run_name=name, nested=True):
            mlflow.log_param("candidate", name)
            mlflow.log_metrics(_finite(metrics))

    def log_result(self, metrics: Mapping[str, float], pictures: Mapping[str, Figure]) -> None:
        """Keep the winner's figures and pictures in the running run.

        Parameters
        ----------
        metrics : mapping of str to float
            The winner's figures.
        pictures : mapping of str to Figure
            By name.
        """
        mlflow.log_metrics(_finite(metrics))
        for name, picture in pictures.items():
            mlflow.log_figure(picture, f"pictures/{name}.png")

    def register(self, bundle: Bundle, signals: pd.DataFrame) -> str:
        """Register a bundle as a new version of the model, known as the challenger.

        Parameters
        ----------
        bundle : Bundle
            The fitted model.
        signals : DataFrame of shape (n_customers, n_signals)
            What it was fitted on; its medians, which are nobody's, become the input example.

        Returns
        -------
        str
            The version.
        """
        # Lower medians, because half a purchase is none; one by one, because each needs a copy.
        medians = {n: [signals[n].quantile(interpolation="lower")] for n in bundle.required_columns}
        example = pd.DataFrame(medians).fillna(0.0)
        signature = mlflow.models.infer_signature(example, bundle.forecast(example))
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            # MLflow warns of what its own dependencies deprecate.
            warnings.simplefilter("ignore")
            model = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(Path(__file__).with_name("pyfunc_model.py")),
                artifacts={"bundle": str(bundle.save(Path(folder) / "bundle"))},
                signature=signature,
                input_example=example,
                # None: a package of our name on a public index need not be ours.
                pip_requirements=[],
            )
        # By the client, because the call that does it all prints what it does.
        client = mlflow.MlflowClient()
        with suppress(MlflowException):  # It is there already, from the training before.
            client.create_registered_model(MODEL_NAME)
        registered = client.create_model_version(
            MODEL_NAME,
            source=client.get_logged_model(model.model_id).artifact_location,
            run_id=model.run_id,
            model_id=model.model_id,
            tags={"digest": bundle.digest},
        )
        client.set_registered_model_alias(MODEL_NAME, CHALLENGER, registered.version)
        return str(registered.version)

    def promote(self, version: str, reason: str) -> None:
        """Make a version the champion, and keep the reason for good.

        Parameters
        ----------
        version : str
            Of the registered model.
        reason : str
            Why.
        """
        self._make_champion(version, reason, is_rollback=False)

    def roll_back(self, version: str, reason: str) -> None:
        """Make a version champion again, and keep the reason for good.

        Parameters
        ----------
        version : str
            That was champion before.
        reason : str
            Why.
        """
        self._make_champion(version, reason, is_rollback=True)

    def versions(self) -> list[Version]:
        """Read what the model registry holds.

        Returns
        -------
        list of Version
            The newest first; none where nothing was registered yet.

        Raises
        ------
        TrackingError
            If there is no registry, or MLflow does not answer.
        """
        with self._asking() as client:
            aliases = _aliases(client)
            found = client.search_model_versions(f"name='{MODEL_NAME}'")
        versions = [_version(entity, aliases) for entity in found]
        return sorted(versions, key=lambda version: int(version.number), reverse=True)

    def figures(self, run_id: str) -> dict[str, dict[str, float]]:
        """Read the figures of a run's candidates.

        Parameters
        ----------
        run_id : str
            Of the run.

        Returns
        -------
        dict of str to dict of str to float
            By candidate, in the order they were logged; none where the run is gone.
        """
        with self._asking() as client:
            experiment = client.get_experiment_by_name(EXPERIMENT)
            if experiment is None:
                return {}
            children = client.search_runs(
                [experiment.experiment_id],
                f"tags.mlflow.parentRunId = '{run_id}'",
                order_by=["attributes.start_time ASC"],
            )
        return {run.data.params["candidate"]: dict(run.data.metrics) for run in children}

    def download(self, version: str, folder: Path, part: str = "") -> Path:
        """Copy a version's files.

        Parameters
        ----------
        version : str
            Of the registered model.
        folder : Path
            Where to.
        part : str, optional
            One file or folder of them; all where it is not given.

        Returns
        -------
        Path
            The copy.

        Raises
        ------
        TrackingError
            If MLflow does not answer, or the files are gone.
        """
        with self._asking() as client:
            source = client.get_model_version_download_uri(MODEL_NAME, version)
        try:
            # By its address: looked up by its name, MLflow would ask the registry it spoke to last.
            copy = mlflow.artifacts.download_artifacts(
                f"{source}/{part}".rstrip("/"), dst_path=str(folder), tracking_uri=self.uri
            )
        except (MlflowException, OSError) as error:
            raise TrackingError(
                f"The files of version {version} cannot be had: {self._said_by(error)}. "
                "Put them back, or let 'worth train' make another version."
            ) from error
        return Path(copy)

    def _make_champion(self, version: str, reason: str, *, is_rollback: bool) -> None:
        with self._asking() as client:
            at = datetime.now(UTC)
            before = _aliases(client).get(CHAMPION)
            promotion = Promotion(
                version, at.isoformat(timespec="microseconds"), reason, before, is_rollback
            )
            # The reason first, for a champion without one must not be.
            client.set_model_version_tag(
                MODEL_NAME,
                version,
                f"{_PROMOTION_TAG}{at:%Y-%m-%dT%H:%M:%S.%fZ}",
                json.dumps(asdict(promotion)),
            )
            client.set_registered_model_alias(MODEL_NAME, CHAMPION, version)

    @contextmanager
    def _connected(self) -> Iterator[None]:
        with self._refusing():
            _lay_database(self.uri)
            mlflow.set_tracking_uri(self.uri)
            mlflow.set_registry_uri(self.uri)
            if mlflow.get_experiment_by_name(EXPERIMENT) is None:
                mlflow.create_experiment(EXPERIMENT, self._artifact_location())
            mlflow.set_experiment(EXPERIMENT)
            yield

    @contextmanager
    def _asking(self) -> Iterator[mlflow.MlflowClient]:
        """Ask without leaving a trace: MLflow would lay a database that is not there."""
        path = self.uri.removeprefix("sqlite:///")
        if path != self.uri and not Path(path).exists():
            raise TrackingError(
                f"There is no model registry at {path} yet. 'worth train' makes one."
            )
        with self._refusing():
            yield mlflow.MlflowClient(self.uri, registry_uri=self.uri)

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        for chatty in ("mlflow", "alembic"):
            logging.getLogger(chatty).setLevel(logging.ERROR)
        try:
            yield
        except (MlflowException, sa.exc.SQLAlchemyError, OSError) as error:
            raise TrackingError(
                f"MLflow at {_without_password(self.uri)} did not do its part: "
                f"{self._said_by(error)}. Check tracking_uri."
            ) from error

    def _said_by(self, error: Exception) -> str:
        """Repeat an error's first line, without the password of the address in it."""
        line = str(error).splitlines()[0].rstrip(".")
        uri = self.uri.rstrip("/")
        return line.replace(uri, _without_password(uri))

    def _artifact_location(self) -> str | None:
        is_database = not self.uri.startswith(("http:", "https:", "databricks"))
        return self.artifacts.absolute().as_uri() if is_database else None

    def log_page(self, name: str, html: str) -> None:
        """Keep a page for people in the running run.

        Parameters
        ----------
        name : str
            Of the page.
        html : str
            The page, which loads nothing.
        """
        mlflow.log_text(html, f"{name}.html")


def _lay_database(uri: str) -> None:
    """Lay MLflow's tables beside a new SQLite file's place, and move them there whole.

    MLflow lays them over seconds, and never mends those of a process that was killed meanwhile.
    """
    path = Path(uri.removeprefix("sqlite:///"))
    if not uri.startswith("sqlite:///") or path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        partial = Path(folder) / path.name
        mlflow.MlflowClient(f"sqlite:///{partial}").search_experiments()
        if not path.exists():
            partial.replace(path)


def _aliases(client: mlflow.MlflowClient) -> dict[str, str]:
    models = client.search_registered_models(f"name='{MODEL_NAME}'")
    return {alias: str(number) for model in models for alias, number in model.aliases.items()}


def _version(entity: Any, aliases: Mapping[str, str]) -> Version:
    number = str(entity.version)
    kept = sorted(name for name in entity.tags if name.startswith(_PROMOTION_TAG))
    return Version(
        number=number,
        run_id=entity.run_id,
        trained_at=datetime.fromtimestamp(entity.creation_timestamp / 1000, UTC),
        aliases=tuple(sorted(alias for alias, of in aliases.items() if of == number)),
        promotions=tuple(Promotion(**json.loads(entity.tags[name])) for name in kept),
    )


def _finite(metrics: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items() if isfinite(value)}


def _git_commit() -> str:
    """Name the commit of the program's source; a program installed without it has none."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return answer.stdout.strip()


def _without_password(uri: str) -> str:
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
