"""Ask the model registry: the only module of serving that speaks MLflow.

Only the data of a bundle is read; the code that MLflow keeps beside it is never run. Importing this
takes seconds and memory, so the processes that answer requests never do; the watcher asks for them.

RegistryError
└── RegistryAwayError    it does not answer: try again later
"""

import json
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Before MLflow is imported, because it reads them on import.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# A server that is away is told of within seconds; by itself MLflow tries for minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")

import mlflow
import sqlalchemy as sa
from mlflow.exceptions import MlflowException

from models.bundle import Bundle
from serving.champion import Champion
from serving.versions.chosen import MODEL_NAME

__all__ = ["Registered", "Registry", "RegistryAwayError", "RegistryError", "load_champion"]

_CHAMPION = "champion"
_MANIFEST = "bundle.json"
# Where training puts the bundle within what it registers.
_MANIFEST_PATH = f"artifacts/bundle/{_MANIFEST}"


class RegistryError(RuntimeError):
    """Raised where no champion, or no such version, can be had."""


class RegistryAwayError(RegistryError):
    """Raised where the registry does not answer."""


@dataclass(frozen=True)
class Registered:
    """What the registry holds.

    Parameters
    ----------
    champion : str or None
        The version it calls so.
    digests : mapping of str to str
        Digest of the bundle by version, the newest version first; empty where it was not told.
    """

    champion: str | None
    digests: Mapping[str, str]


@dataclass(frozen=True)
class Registry:
    """A model registry of MLflow.

    Parameters
    ----------
    uri : str
        Of the MLflow server or database.
    """

    uri: str

    def registered(self) -> Registered:
        """Read which versions there are, and which of them is champion.

        Returns
        -------
        Registered
            Nothing where no model was registered yet.

        Raises
        ------
        RegistryAwayError
            If it does not answer.
        """
        with self._asking() as client:
            models = client.search_registered_models(f"name='{MODEL_NAME}'")
            versions = client.search_model_versions(f"name='{MODEL_NAME}'")
        aliases = {name: str(of) for model in models for name, of in model.aliases.items()}
        newest_first = sorted(versions, key=lambda one: int(one.version), reverse=True)
        digests = {str(one.version): str(one.tags.get("digest", "")) for one in newest_first}
        return Registered(aliases.get(_CHAMPION), digests)

    def manifest(self, version: str) -> dict[str, Any]:
        """Read what a version's bundle says of itself, at the price of one small file.

        Parameters
        ----------
        version : str
            Which.

        Returns
        -------
        dict
            The manifest; nothing of it is checked.

        Raises
        ------
        RegistryError
            If it cannot be had.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = self._download(version, folder, f"/{_MANIFEST_PATH}")
            try:
                manifest = json.loads(path.read_bytes())
            except ValueError:
                manifest = None
        if not isinstance(manifest, dict):
            raise RegistryError(f"{_MANIFEST} of version {version} is not a manifest.")
        return manifest

    @contextmanager
    def fetched(self, version: str) -> Iterator[Path]:
        """Fetch the bundle of a version.

        Parameters
        ----------
        version : str
            Which.

        Yields
        ------
        Path
            Its folder, for as long as the block lasts; nothing of it is checked.

        Raises
        ------
        RegistryError
            If it cannot be had.
        """
        with tempfile.TemporaryDirectory() as folder:
            files = self._download(version, folder)
            manifest = next(files.rglob(_MANIFEST), None)
            if manifest is None:
                raise RegistryError(f"Version {version} of the model holds no bundle.")
            yield manifest.parent

    def load(self, version: str) -> Champion:
        """Load a version.

        Parameters
        ----------
        version : str
            Which.

        Returns
        -------
        Champion
            Name, version and bundle.

        Raises
        ------
        RegistryError
            If it cannot be had.
        BundleError
            If its files were changed.
        """
        with self.fetched(version) as folder:
            return Champion(MODEL_NAME, version, Bundle.load(folder))

    def _download(self, version: str, folder: str, part: str = "") -> Path:
        with self._asking() as client:
            source = client.get_model_version_download_uri(MODEL_NAME, version)
        try:
            # By its address: looked up by its name, MLflow would ask whatever registry it was last
            # told of in this process.
            found = mlflow.artifacts.download_artifacts(
                f"{source}{part}", dst_path=folder, tracking_uri=self.uri
            )
        except (MlflowException, OSError) as error:
            raise RegistryError(
                f"The files of version {version} cannot be had: {self._said_by(error)}. Put them "
                "back, or let 'worth train' make another version."
            ) from error
        return Path(found)

    @contextmanager
    def _asking(self) -> Iterator[mlflow.MlflowClient]:
        self._check_database()
        for chatty in ("mlflow", "alembic"):
            logging.getLogger(chatty).setLevel(logging.ERROR)
        try:
            yield mlflow.MlflowClient(self.uri, registry_uri=self.uri)
        except sa.exc.SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise RegistryAwayError(
                f"The model registry's database cannot be read: {cause}."
            ) from None
        except (MlflowException, OSError) as error:
            raise RegistryAwayError(
                f"The model registry at {_without_password(self.uri)} does not answer: "
                f"{self._said_by(error)}. Check tracking_uri."
            ) from error

    def _check_database(self) -> None:
        """Refuse a database that is not there; MLflow would make an empty one."""
        path = self.uri.removeprefix("sqlite:///")
        if path != self.uri and not Path(path).exists():
            raise RegistryAwayError(
                f"There is no model registry at {path} yet. 'worth train' makes one."
            )

    def _said_by(self, error: Exception) -> str:
        """Repeat an error's first line, without the password of the address in it."""
        line = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")[:300]
        uri = self.uri.rstrip("/")
        return line.replace(uri, _without_password(uri))


def load_champion(tracking_uri: str) -> Champion:
    """Load the version that the registry calls champion.

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
    registry = Registry(tracking_uri)
    version = registry.registered().champion
    if version is None:
        raise RegistryError(
            "The model registry names no champion (registered, and better than the baseline). "
            "'worth train' makes one, if it beats the baseline."
        )
    return registry.load(version)


def _without_password(uri: str) -> str:
    scheme, separator, rest = uri.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
