"""A fitted model as data: JSON and LightGBM text in a folder, digests checked on load.

::

    bundle.json       format, name, facts, every other file with its size and SHA-256, digest
    latent.json       state of the latent model
    boosted.json      state of the boosted model, if there is one
    boosters/*.txt    its boosters, as LightGBM text

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
from models.value.boosted import BoostedValueModel
from models.value.latent import LatentValueModel

__all__ = ["FORMAT", "Bundle", "BundleError"]

FORMAT = 1
_MANIFEST = "bundle.json"


class BundleError(ValueError):
    """A folder does not hold a whole, unchanged bundle that this version can read."""


class Bundle:
    """What is needed to score customers: the models, and the facts of their training.

    Parameters
    ----------
    name : str
        By which people know the model.
    latent : LatentValueModel
        Fitted.
    boosted : BoostedValueModel or None
        Fitted for the same horizon. If given, its forecast takes the place of the latent one's,
        which then gives p_alive alone.
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
    >>> bundle = Bundle("demo", LatentValueModel().fit(customers), facts={"horizon_days": 90})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     loaded = Bundle.load(bundle.save(Path(folder) / "demo"))
    >>> loaded.forecast(customers).equals(bundle.forecast(customers))
    True
    """

    def __init__(
        self,
        name: str,
        latent: LatentValueModel,
        boosted: BoostedValueModel | None = None,
        *,
        facts: Mapping[str, Any],
    ) -> None:
        check_horizon(self, facts.get("horizon_days"))  # type: ignore[arg-type]
        if boosted is not None and boosted.horizon_days != facts["horizon_days"]:
            raise ValueError(
                f"The boosted model looks {boosted.horizon_days} days ahead, "
                f"the bundle {facts['horizon_days']}."
            )
        self.name = name
        self.latent = latent
        self.boosted = boosted
        self.facts = dict(facts)

    @property
    def required_columns(self) -> tuple[str, ...]:
        """The signals that `forecast` needs, sorted."""
        boosted = self.boosted.required_columns if self.boosted else ()
        return tuple(sorted({*self.latent.required_columns, *boosted}))

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
        DataFrame of shape (n_customers, 4), indexed like signals
            Columns expected_purchases (purchase days), p_alive, churn_probability (both in
            [0, 1]) and expected_value (money).
        """
        forecast = self.latent.forecast(signals, self.facts["horizon_days"])
        if self.boosted is None:
            return forecast
        return forecast.assign(**self.boosted.forecast(signals))

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
        """
        if folder.exists() and any(folder.iterdir()):
            raise FileExistsError(f"{folder} is not empty, and a bundle is never changed.")
        files = self._files()
        manifest = self._manifest(files)
        files[_MANIFEST] = _rendered(manifest | {"digest": _digest(manifest)})
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
        if "latent.json" not in files:
            raise BundleError(f"{folder / _MANIFEST} names no latent.json.")
        latent = LatentValueModel.from_state(json.loads(files["latent.json"]))
        boosted = _restored_boosted(files) if "boosted.json" in files else None
        return cls(manifest["name"], latent, boosted, facts=manifest["facts"])

    def _files(self) -> dict[str, bytes]:
        files = {"latent.json": _rendered(self.latent.to_state())}
        if self.boosted is not None:
            state = self.boosted.to_state()
            boosters = state.pop("boosters")
            files["boosted.json"] = _rendered(state)
            files |= {f"boosters/{head}.txt": text.encode() for head, text in boosters.items()}
        return files

    def _manifest(self, files: Mapping[str, bytes]) -> dict[str, Any]:
        described = {name: _described(content) for name, content in files.items()}
        return {"format": FORMAT, "name": self.name, "facts": self.facts, "files": described}


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


def _restored_boosted(files: Mapping[str, bytes]) -> BoostedValueModel:
    prefix, suffix = "boosters/", ".txt"
    boosters = {
        name.removeprefix(prefix).removesuffix(suffix): content.decode()
        for name, content in files.items()
        if name.startswith(prefix)
    }
    return BoostedValueModel.from_state(json.loads(files["boosted.json"]) | {"boosters": boosters})
