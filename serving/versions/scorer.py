"""The model that scores everyone: the pinned version, else the registry's champion."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from serving.champion import Champion
from serving.registry import Registry, RegistryError, load_champion
from serving.store import Store
from serving.store.tables import MODEL_CHOICES
from serving.versions.bundles import find_bundle, keep_bundle
from serving.versions.chosen import MODEL_NAME, digest_of
from serving.versions.notes import ChampionNote, note

__all__ = ["Scorer", "scorer"]


@dataclass(frozen=True)
class Scorer:
    """Who scores, and why.

    Parameters
    ----------
    champion : Champion
        The model; its bundle is on disk.
    is_pinned : bool
        Whether somebody pinned it.
    why : str
        The reason given then.
    """

    champion: Champion
    is_pinned: bool = False
    why: str = ""


def scorer(store: Store, home: Path, tracking_uri: str) -> Scorer:
    """Find the model that is to score everyone, and keep its bundle on disk.

    There it explains later what it scored, and the service finds it when the registry is away.

    Parameters
    ----------
    store : Store
        Which says what is pinned.
    home : Path
        Folder of the service's state.
    tracking_uri : str
        Of the model registry. It is not asked where the pinned version is on disk.

    Returns
    -------
    Scorer
        The model.

    Raises
    ------
    RegistryError
        If it cannot be had.
    BundleError
        If its files were changed.
    """
    statement = sa.select(MODEL_CHOICES).where(MODEL_CHOICES.c.what == "pinned")
    with store.reading() as connection:
        pin = connection.execute(statement).one_or_none()
        digest = None if pin is None else digest_of(connection, home, pin.version)
    if pin is None:
        champion = load_champion(tracking_uri)
        keep_bundle(home, champion)
        seen_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        said = ChampionNote(
            name=champion.name, version=champion.version, digest=champion.digest, seen_at=seen_at
        )
        note(home, said)
        return Scorer(champion)
    return Scorer(_pinned(home, tracking_uri, pin.version, digest), is_pinned=True, why=pin.reason)


def _pinned(home: Path, tracking_uri: str, version: str, digest: str | None) -> Champion:
    bundle = find_bundle(home, digest) if digest else None
    if bundle is not None:
        return Champion(MODEL_NAME, version, bundle)
    try:
        champion = Registry(tracking_uri).load(version)
    except RegistryError as error:
        raise RegistryError(
            f"Version {version} is pinned, but cannot be had: {error} "
            "POST /v1/models:unpin lets the registry's champion score."
        ) from None
    keep_bundle(home, champion)
    return champion
