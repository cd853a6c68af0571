"""A fitted model as data: JSON and LightGBM text in a folder, digests checked on load.

::

    bundle.json                format, name, facts, every other file with size and SHA-256, digest
    forecaster.json            parameters of the forecast, its parts, intervals and calibration
    boosters/<part>/<head>.txt LightGBM text of the boosted parts, if there are any

Loading runs no code and unpickles nothing. An error about a folder is a `BundleError`::

    ValueError
    └── BundleError
"""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Self

import pandas as pd

from models.base import check_horizon
from models.value.forecaster import ValueForecaster

__all__ = ["FORMAT", "Bundle", "BundleError"]

FORMAT = 3
_MANIFEST, _FORECASTER = "bundle.json", "forecaster.json"
# A service fetches a bundle when it starts; one that is larger holds more than models need.
_MAX_BYTES = 5_000_000


class BundleError(ValueError):
    """A folder does not hold a whole, unchanged bundle this version reads, or it is too large."""


class Bundle:
    """What is needed to score customers: the models, and the facts of their training.

    Parameters
    ----------
    name : str
        By which people know the model.
    forecaster : ValueForecaster
        Fitted.
    facts : mapping
        What is known of the training, as JSON can hold it; horizon_days (days, in (0, inf)) among
        it.

    Examples
    --------
    >>> import pandas as pd, tempfile
    >>> customers = pd.DataFrame(
    ...     {"frequency": [0, 1], "recency": [0, 30], "T": [90, 40], "n_purchase_days": [1, 2],
    ...      "mean_purchase_revenue": [10.0, 10.0], "purchase_revenue": [10.0, 20.0],
    ...      "revenue": [10.0, 14.0]}
    ... )
    >>> from models.value.latent import LatentValueModel
    >>> forecaster = ValueForecaster(LatentValueModel().fit(customers), horizon_days=90)
    >>> bundle = Bundle("demo", forecaster, facts={"horizon_days": 90})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     loaded = Bundle.load(bundle.save(Path(folder) / "demo"))
    >>> loaded.forecast(customers).equals(bundle.forecast(customers))
    True
    """

    def __init__(self, name: str, forecaster: ValueForecaster, *, facts: Mapping[str, Any]) -> None:
        check_horizon(self, facts.get("horizon_days"))  # type: ignore[arg-type]
        if forecaster.horizon_days != facts["horizon_days"]:
            raise ValueError(
                f"The forecaster looks {forecaster.horizon_days} days ahead, "
                f"the bundle {facts['horizon_days']}."
            )
        self.name = name
        self.forecaster = forecaster
        self.facts = dict(facts)

    @property
    def required_columns(self) -> tuple[str, ...]:
        """The signals that `forecast` needs, sorted."""
        return self.forecaster.required_columns

    @property
    def digest(self) -> str:
        """What tells this bundle from any other: "sha256:" and 64 hexadecimal digits."""
        return _digest(self._manifest(self._files()))

    def forecast(self, signals: pd.DataFrame) -> pd.DataFrame:
        """Expect what each customer does and is worth within the bundle's horizon.

        Parameters
        ----------
        signals : DataFrame of shape (n_customers, n_columns)
            With the columns `required_columns`.

        Returns
        -------
        DataFrame of shape (n_customers, 9), indexed like signals
            The columns of `ValueForecaster.forecast`.
        """
        return self.forecaster.forecast(signals)

    def forecast_one(self, signals: Mapping[str, object]) -> dict[str, float]:
        """Expect what one customer does and is worth within the bundle's horizon.

        Parameters
        ----------
        signals : mapping of str to float, truth value, text or None
            With the names `required_columns`; None is not known.

        Returns
        -------
        dict of str to float
            By column of `forecast`, which gives the same for a row of these signals.
        """
        return self.forecaster.forecast_one(signals)

    def save(self, folder: Path) -> Path:
        """Write the bundle to a new folder, at once.

        Parameters
        ----------
        folder : Path
            Must not exist yet, or be empty: a bundle is never changed.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        FileExistsError
            If there is something in the folder.
        BundleError
            If the bundle is larger than 5 MB. Nothing is written then.
        """
        if folder.exists() and any(folder.iterdir()):
            raise FileExistsError(f"{folder} is not empty, and a bundle is never changed.")
        files = self._files()
        manifest = self._manifest(files)
        files[_MANIFEST] = _rendered(manifest | {"digest": _digest(manifest)})
        _check_size(files)
        partial = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}")
        try:
            for name, content in files.items():
                path = partial / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            os.replace(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return folder

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a bundle and check every byte of it.

        Parameters
        ----------
        folder : Path
            Where `save` has written.

        Returns
        -------
        Bundle
            It forecasts exactly what the one saved did.

        Raises
        ------
        BundleError
            If the format is newer, or a file is missing, changed or outside the folder.
        """
        manifest = _read_manifest(folder)
        files = {name: _read_file(folder, name, facts) for name, facts in manifest["files"].items()}
        if _FORECASTER not in files:
            raise BundleError(f"{folder / _MANIFEST} names no {_FORECASTER}.")
        return cls(manifest["name"], _restored(files), facts=manifest["facts"])

    def _files(self) -> dict[str, bytes]:
        state = self.forecaster.to_state()
        texts = {
            f"boosters/{part}/{head}.txt": text.encode()
            for part, boosted in state["boosted"].items()
            for head, text in boosted.pop("boosters").items()
        }
        return {_FORECASTER: _rendered(state), **texts}

    def _manifest(self, files: Mapping[str, bytes]) -> dict[str, Any]:
        described = {name: _described(content) for name, content in files.items()}
        return {"format": FORMAT, "name": self.name, "facts": self.facts, "files": described}


def _check_size(files: Mapping[str, bytes]) -> None:
    size = sum(map(len, files.values()))
    if size > _MAX_BYTES:
        largest = max(files, key=lambda name: len(files[name]))
        raise BundleError(
            f"A bundle must be at most {_MAX_BYTES / 1e6:.0f} MB. Got {size / 1e6:.1f} MB instead, "
            f"most of it in {largest} ({len(files[largest]) / 1e6:.1f} MB); fit a smaller model."
        )


def _described(content: bytes) -> dict[str, object]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}


def _rendered(data: Mapping[str, Any]) -> bytes:
    """Write data as JSON that people can read too; the same data gives the same bytes."""
    text = json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def _digest(manifest: Mapping[str, Any]) -> str:
    canonical = json.dumps(
        manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / _MANIFEST
    try:
        content = path.read_bytes()
        manifest = json.loads(content, parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise BundleError(f"{path} is missing.") from None
    except ValueError:  # not UTF-8, or not JSON
        raise BundleError(f"{path} is not a manifest.") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("format"), int):
        raise BundleError(f"{path} is not a manifest.")
    if manifest["format"] < FORMAT:
        raise BundleError(
            f"{path} has format {manifest['format']}, which this version no longer reads. "
            f"'worth train' makes a model of format {FORMAT}."
        )
    if manifest["format"] > FORMAT:
        raise BundleError(
            f"{path} has format {manifest['format']}; this version reads up to {FORMAT}. "
            "Upgrade Worth to load it."
        )
    digest = manifest.pop("digest", None)
    is_whole = {"name", "facts", "files"} <= manifest.keys() and digest == _digest(manifest)
    if not is_whole or content != _rendered(manifest | {"digest": digest}):
        raise BundleError(f"{path} was changed after it was written.")
    return manifest


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON.")


def _read_file(folder: Path, name: str, facts: Mapping[str, Any]) -> bytes:
    path = folder / name
    parts = PurePosixPath(name)
    leaves = parts.is_absolute() or ".." in parts.parts or "\\" in name
    if leaves or not path.resolve().is_relative_to(folder.resolve()):
        raise BundleError(f"{folder / _MANIFEST} names {name!r}, which is not in the folder.")
    if not path.is_file():
        raise BundleError(f"{path} is missing.")
    content = path.read_bytes()
    if _described(content) != facts:
        raise BundleError(f"{path} was changed after it was written.")
    return content


def _restored(files: Mapping[str, bytes]) -> ValueForecaster:
    state = json.loads(files[_FORECASTER])
    for part, boosted in state["boosted"].items():
        boosted["boosters"] = {
            PurePosixPath(name).stem: content.decode()
            for name, content in files.items()
            if PurePosixPath(name).parent == PurePosixPath("boosters", part)
        }
    return ValueForecaster.from_state(state)
