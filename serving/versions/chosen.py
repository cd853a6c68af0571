"""Which versions are wanted: what people chose, and else the registry's champion."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from serving.store.tables import MODEL_CHOICES, MODELS, MODELS_SERVED
from serving.versions.notes import noted_champion

__all__ = [
    "MODEL_NAME",
    "Choice",
    "Named",
    "Wanted",
    "choices",
    "digest_of",
    "known_versions",
    "wanted_models",
]

MODEL_NAME = "worth"
Choice = Literal["pinned", "shadow"]


@dataclass(frozen=True)
class Named:
    """A version, and what bundle it is.

    Parameters
    ----------
    version : str
        In the model registry.
    digest : str
        Of its bundle.
    """

    version: str
    digest: str


@dataclass(frozen=True)
class Wanted:
    """The versions that a worker should have loaded.

    Parameters
    ----------
    champion : Named, optional
        To score with: the pinned one, else the registry's champion.
    shadow : Named, optional
        To score beside it, unseen.
    """

    champion: Named | None
    shadow: Named | None


def choices(connection: sa.Connection) -> dict[str, str]:
    """Read what people chose.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        To the store.

    Returns
    -------
    dict of str to str
        Version by `pinned` and `shadow`, where there is one.
    """
    rows = connection.execute(sa.select(MODEL_CHOICES.c.what, MODEL_CHOICES.c.version))
    return {row.what: row.version for row in rows}


def digest_of(connection: sa.Connection, home: Path, version: str) -> str | None:
    """Find what bundle a version is.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        To the store.
    home : Path
        Folder of the service's state.
    version : str
        In the model registry.

    Returns
    -------
    str or None
        Its digest, by what was last seen of it; None where nothing was.
    """
    seen = sa.select(MODELS.c.digest).where(MODELS.c.version == version)
    digest = connection.execute(seen).scalar()
    if digest:
        return str(digest)
    champion = noted_champion(home)
    if champion is not None and champion.version == version:
        return champion.digest
    served = sa.select(MODELS_SERVED.c.digest).where(MODELS_SERVED.c.version == version)
    digest = connection.execute(served.order_by(MODELS_SERVED.c.id.desc()).limit(1)).scalar()
    return None if digest is None else str(digest)


def wanted_models(connection: sa.Connection, home: Path) -> Wanted:
    """Tell which versions a worker should have loaded.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        To the store.
    home : Path
        Folder of the service's state.

    Returns
    -------
    Wanted
        A version whose bundle nobody knows yet is left out until somebody does.
    """
    chosen = choices(connection)
    named = {what: _named(connection, home, version) for what, version in chosen.items()}
    champion = noted_champion(home)
    unpinned = None if champion is None else Named(champion.version, champion.digest)
    return Wanted(
        champion=named.get("pinned") if "pinned" in chosen else unpinned,
        shadow=named.get("shadow"),
    )


def _named(connection: sa.Connection, home: Path, version: str) -> Named | None:
    digest = digest_of(connection, home, version)
    return None if digest is None else Named(version, digest)


def known_versions(connection: sa.Connection, home: Path) -> list[str]:
    """List the versions that were ever seen here and may be there still.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        To the store.
    home : Path
        Folder of the service's state.

    Returns
    -------
    list of str
        The newest first.
    """
    known = set(connection.execute(sa.select(MODELS.c.version)).scalars())
    known |= set(connection.execute(sa.select(MODELS_SERVED.c.version).distinct()).scalars())
    champion = noted_champion(home)
    if champion is not None:
        known.add(champion.version)
    return sorted(known, key=_number, reverse=True)


def _number(version: str) -> tuple[int, str]:
    is_number = version.isascii() and version.isdecimal()
    return (int(version) if is_number else -1), version
