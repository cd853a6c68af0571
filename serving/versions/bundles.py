"""Bundles on disk: `home`/models/ holds one folder a bundle, named after its digest.

What lies there is whole, because it is written beside and moved there at once. It is what the
service goes on with while the model registry is away, and what explains the scores of the past.
"""

import json
import os
import re
import secrets
import shutil
import time
from functools import lru_cache
from pathlib import Path

from models.bundle import Bundle, BundleError
from serving.champion import Champion

__all__ = [
    "bundle_folder",
    "find_bundle",
    "has_bundle",
    "keep_bundle",
    "keep_folder",
    "kept_digests",
    "models_folder",
    "remove_bundle",
]

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_FOLDER = re.compile(r"[0-9a-f]{64}")
_MANIFEST = "bundle.json"
# A folder that was being written this long ago is of a process that was killed meanwhile.
_ABANDONED_SECONDS = 3600.0


def models_folder(home: Path) -> Path:
    """Name the folder of all bundles.

    Parameters
    ----------
    home : Path
        Folder of the service's state.

    Returns
    -------
    Path
        It need not be there yet.
    """
    return home / "models"


def bundle_folder(home: Path, digest: str) -> Path:
    """Name the folder of a bundle.

    Parameters
    ----------
    home : Path
        Folder of the service's state.
    digest : str
        Of the bundle: "sha256:" and 64 hexadecimal digits.

    Returns
    -------
    Path
        It need not be there.

    Raises
    ------
    BundleError
        If that is no digest; it could name any folder.
    """
    found = _DIGEST.fullmatch(digest)
    if found is None:
        raise BundleError(f"A digest is 'sha256:' and 64 hexadecimal digits. Got {digest[:80]!r}.")
    return models_folder(home) / found[1]


def keep_bundle(home: Path, champion: Champion) -> Path:
    """Write a model to disk, where it is not there yet.

    Parameters
    ----------
    home : Path
        Folder of the service's state.
    champion : Champion
        The model.

    Returns
    -------
    Path
        Its folder.
    """
    folder = bundle_folder(home, champion.bundle.digest)
    if not _is_there(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            champion.bundle.save(folder)
        except OSError:
            # Another process was faster, or the disk says no.
            if not _is_there(folder):
                raise
    return folder


def keep_folder(home: Path, source: Path) -> str:
    """Check a bundle that was fetched, and copy its files as they are.

    Parameters
    ----------
    home : Path
        Folder of the service's state.
    source : Path
        Folder of the bundle.

    Returns
    -------
    str
        Its digest.

    Raises
    ------
    BundleError
        If a byte of it was changed.
    """
    Bundle.load(source)
    digest = str(json.loads((source / _MANIFEST).read_bytes())["digest"])
    folder = bundle_folder(home, digest)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if _is_whole(folder):
        return digest
    partial = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}")
    try:
        shutil.copytree(source, partial)
        # One that is there is broken; a reader of it is told so, and looks again.
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return digest


def _is_whole(folder: Path) -> bool:
    try:
        Bundle.load(folder)
    except BundleError:
        return False
    return True


def find_bundle(home: Path, digest: str) -> Bundle | None:
    """Load a bundle from disk; the last few are remembered.

    Parameters
    ----------
    home : Path
        Folder of the service's state.
    digest : str
        Of the bundle.

    Returns
    -------
    Bundle or None
        Its digests checked; None where it is not on disk.

    Raises
    ------
    BundleError
        If it was changed.
    """
    folder = bundle_folder(home, digest)
    return _load(folder) if _is_there(folder) else None


# A bundle is never changed, so what was read once is what it says. A few: each takes some MB.
@lru_cache(maxsize=4)
def _load(folder: Path) -> Bundle:
    return Bundle.load(folder)


def kept_digests(home: Path) -> list[str]:
    """List the bundles on disk.

    Parameters
    ----------
    home : Path
        Folder of the service's state.

    Returns
    -------
    list of str
        Their digests, the one that came last first.
    """
    folders = [path for path in _children(home) if _FOLDER.fullmatch(path.name)]
    by_age = sorted(folders, key=_written_at, reverse=True)
    return [f"sha256:{folder.name}" for folder in by_age]


def remove_bundle(home: Path, digest: str) -> None:
    """Remove a bundle, and what killed processes left half-written.

    Parameters
    ----------
    home : Path
        Folder of the service's state.
    digest : str
        Of the bundle.
    """
    shutil.rmtree(bundle_folder(home, digest), ignore_errors=True)
    for path in _children(home):
        if path.name.startswith(".") and time.time() - _written_at(path) > _ABANDONED_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def has_bundle(home: Path, digest: str) -> bool:
    """Tell whether a bundle is on disk.

    Parameters
    ----------
    home : Path
        Folder of the service's state.
    digest : str
        Of the bundle.

    Returns
    -------
    bool
        Whether there is one; it may be broken.
    """
    return _is_there(bundle_folder(home, digest))


def _is_there(folder: Path) -> bool:
    return (folder / _MANIFEST).is_file()


def _children(home: Path) -> list[Path]:
    folder = models_folder(home)
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # Another process has just removed it.
        return 0.0
