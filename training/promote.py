"""Make a version champion, or take that back: only what is there, is whole, and has earned it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from features.pipeline import signals_digest
from models.bundle import Bundle, BundleError
from training.tracking import MODEL_NAME, Tracking
from training.versions import CHALLENGER, CHAMPION, Version, champion_before

__all__ = [
    "Loaded",
    "VersionError",
    "find_version",
    "load_version",
    "promote",
    "read_manifest",
    "roll_back",
]

_BUNDLE = "artifacts/bundle"
_MANIFEST = "bundle.json"
_EXAMPLE = "input_example.json"
_FORECAST = ["expected_purchases", "p_alive", "churn_probability", "expected_value"]
# Does not beat the baseline, or was tested on too little to tell.
_NOT_EARNED = ("C", "insufficient")
_LIST = "'worth models list' shows them all."


class VersionError(ValueError):
    """Raised where a version is not there, is broken, or may not become champion."""


@dataclass(frozen=True)
class Loaded:
    """A version with its model.

    Parameters
    ----------
    version : Version
        As the registry knows it.
    bundle : Bundle
        The model, its digests checked.
    manifest : dict
        What the bundle says of itself; `size` and `files` with their sizes (bytes) and digests.
    example : DataFrame of shape (1, n_columns)
        Signals of nobody, registered with it.
    """

    version: Version
    bundle: Bundle
    manifest: dict[str, Any]
    example: pd.DataFrame


def find_version(versions: Sequence[Version], name: str) -> Version:
    """Find a version by its number, or as champion or challenger.

    Parameters
    ----------
    versions : sequence of Version
        All of the model.
    name : str
        As an analyst wrote it.

    Returns
    -------
    Version
        The one meant.

    Raises
    ------
    VersionError
        If there is none, or the name is neither.
    """
    is_number = name.isascii() and name.isdecimal()
    if not is_number and name not in (CHAMPION, CHALLENGER):
        raise VersionError(
            f"A version is a number, or {CHAMPION}, or {CHALLENGER}. Got {name!r} instead. {_LIST}"
        )
    for version in versions:
        if name in version.aliases or (is_number and version.number == name.lstrip("0")):
            return version
    if not is_number:
        raise VersionError(f"Model '{MODEL_NAME}' has no {name} yet. {_LIST}")
    raise VersionError(f"Model '{MODEL_NAME}' has no version {name}. {_LIST}")


def read_manifest(tracking: Tracking, version: Version) -> dict[str, Any]:
    """Read what a version's bundle says of itself, at the price of one small file.

    Parameters
    ----------
    tracking : Tracking
        Where models are kept.
    version : Version
        Whose.

    Returns
    -------
    dict
        The manifest; `size` (bytes) of the whole bundle. Digests are not checked.

    Raises
    ------
    VersionError
        If it cannot be read.
    """
    with TemporaryDirectory() as folder:
        path = tracking.download(version.number, Path(folder), f"{_BUNDLE}/{_MANIFEST}")
        try:
            return _manifest_with_size(path)
        except (ValueError, KeyError, TypeError):
            raise VersionError(
                f"{_MANIFEST} of version {version.number} was changed after it was written."
            ) from None


def load_version(tracking: Tracking, version: Version) -> Loaded:
    """Load a version and check every byte of it.

    Parameters
    ----------
    tracking : Tracking
        Where models are kept.
    version : Version
        Which.

    Returns
    -------
    Loaded
        Its model and what is known of it.

    Raises
    ------
    VersionError
        If a file is missing or changed, or its format is newer.
    TrackingError
        If MLflow does not answer.
    """
    with TemporaryDirectory() as temporary:
        folder = tracking.download(version.number, Path(temporary))
        try:
            bundle = Bundle.load(folder / _BUNDLE)
            example = _read_example(folder / _EXAMPLE)
        except BundleError as error:
            fault = str(error).replace(f"{folder}/{_BUNDLE}/", "").replace(f"{folder}/", "")
            raise VersionError(
                f"Version {version.number} cannot be used: {fault} Choose another version."
            ) from None
        return Loaded(version, bundle, _manifest_with_size(folder / _BUNDLE / _MANIFEST), example)


def promote(tracking: Tracking, name: str, reason: str, *, anyway: bool = False) -> Version:
    """Make a version champion.

    Parameters
    ----------
    tracking : Tracking
        Where models are kept.
    name : str
        Number of the version, or challenger.
    reason : str
        Why, in words; kept for good.
    anyway : bool, default False
        Whether to promote a version that does not beat the baseline, or has a grade that says so.

    Returns
    -------
    Version
        As it was before it was promoted.

    Raises
    ------
    VersionError
        If there is no such version, it is champion already, it is broken, it has not earned it,
        or there is no reason.
    TrackingError
        If MLflow does not answer.
    """
    if not reason.strip():
        raise VersionError(
            "A promotion is kept with its reason, and this one is empty. Say with --reason why."
        )
    version = find_version(tracking.versions(), name)
    if version.is_champion:
        raise VersionError(f"Version {version.number} is champion already. {_LIST}")
    loaded = load_version(tracking, version)
    _check_forecast(loaded)
    if not anyway:
        _check_merit(loaded)
    tracking.promote(version.number, reason.strip())
    return version


def roll_back(tracking: Tracking, reason: str | None = None) -> tuple[Version, Version]:
    """Make the version champion again that was so before.

    Parameters
    ----------
    tracking : Tracking
        Where models are kept.
    reason : str, optional
        Why, in words; kept for good.

    Returns
    -------
    tuple of Version
        The champion until now, and the one from now on.

    Raises
    ------
    VersionError
        If there is no champion or none before it, or that one is broken.
    TrackingError
        If MLflow does not answer.
    """
    if reason is not None and not reason.strip():
        raise VersionError(
            "A rollback is kept with its reason, and this one is empty. Leave --reason out, or say "
            "with it why."
        )
    versions = tracking.versions()
    champion = find_version(versions, CHAMPION)
    number = champion_before(versions)
    if number is None:
        raise VersionError(
            f"Version {champion.number} is the first champion, so there is none to roll back to. "
            "'worth models promote' makes another version champion."
        )
    before = find_version(versions, number)
    _check_forecast(load_version(tracking, before))
    said = reason.strip() if reason else f"Rolled back from version {champion.number}."
    tracking.roll_back(before.number, said)
    return champion, before


def _manifest_with_size(path: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(path.read_bytes())
    size = path.stat().st_size + sum(file["size"] for file in manifest["files"].values())
    facts, name = dict(manifest["facts"]), str(manifest["name"])
    return manifest | {"facts": facts, "name": name, "size": size}


def _read_example(path: Path) -> pd.DataFrame:
    try:
        example = json.loads(path.read_bytes())
        return pd.DataFrame(example["data"], columns=example["columns"])
    except FileNotFoundError:
        raise BundleError(f"{path} is missing.") from None
    except (ValueError, KeyError, TypeError):
        raise BundleError(f"{path} was changed after it was written.") from None


def _check_forecast(loaded: Loaded) -> None:
    """Let the model forecast nobody; it must give numbers, from signals as they are made today."""
    number, bundle = loaded.version.number, loaded.bundle
    if bundle.facts.get("signals_digest") != signals_digest():
        raise VersionError(
            f"Version {number} learned from other definitions of the signals than this program "
            "computes, so it could score nobody. 'worth train' makes one that fits."
        )
    try:
        forecast = bundle.forecast(loaded.example)[_FORECAST].to_numpy(dtype=float)
    except ValueError as error:
        raise VersionError(
            f"Version {number} cannot forecast its own input example: {error} "
            "Choose another version."
        ) from None
    if not np.isfinite(forecast).all():
        raise VersionError(
            f"Version {number} forecasts no numbers for its own input example. "
            "Choose another version."
        )


def _check_merit(loaded: Loaded) -> None:
    facts = loaded.bundle.facts
    grade = facts.get("grade")
    fault = f"has grade {grade}" if grade in _NOT_EARNED else None
    if fault is None and not facts.get("beats_baseline", grade is not None):
        fault = "does not beat the baseline"
    if fault:
        raise VersionError(
            f"Version {loaded.version.number} {fault}, so it has not earned to be champion. "
            "Choose another version, or add --anyway."
        )
