"""What the watcher of the registry tells the service: two small files beside the bundles.

A worker reads them without MLflow, whose import would cost each of them seconds and memory.
"""

import os
import secrets
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serving.versions.bundles import models_folder

__all__ = [
    "ChampionNote",
    "RegistryNote",
    "forget_registry",
    "note",
    "noted_champion",
    "noted_registry",
]


class ChampionNote(BaseModel):
    """The version that the registry calls champion, as it was seen last; its bundle is on disk.

    Parameters
    ----------
    name : str
        Of the model in the registry.
    version : str
        In the registry.
    digest : str
        Of the bundle.
    seen_at : str
        When it was first seen as champion, ISO 8601 in UTC.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    version: str
    digest: str
    seen_at: str


class RegistryNote(BaseModel):
    """Whether the model registry answers.

    Parameters
    ----------
    state : {"reachable", "away", "not asked yet"}
        As it was last.
    since : str, optional
        Since when, ISO 8601 in UTC.
    error : str, optional
        What is wrong, in a sentence.
    problems : dict of str to str
        By version: why its bundle cannot be had.
    """

    model_config = ConfigDict(frozen=True)

    state: Literal["reachable", "away", "not asked yet"] = "not asked yet"
    since: str | None = None
    error: str | None = None
    problems: dict[str, str] = Field(default_factory=dict)


_Note = TypeVar("_Note", ChampionNote, RegistryNote)
_FILES: dict[type[BaseModel], str] = {
    ChampionNote: "champion.json",
    RegistryNote: "registry.json",
}


def note(home: Path, said: ChampionNote | RegistryNote) -> None:
    """Write a note, at once.

    Parameters
    ----------
    home : Path
        Folder of the service's state.
    said : ChampionNote or RegistryNote
        What to tell.
    """
    path = models_folder(home) / _FILES[type(said)]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        partial.write_text(said.model_dump_json(indent=2) + "\n", encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def noted_champion(home: Path) -> ChampionNote | None:
    """Read which version is champion.

    Parameters
    ----------
    home : Path
        Folder of the service's state.

    Returns
    -------
    ChampionNote or None
        None where none was seen yet.
    """
    return _read(home, ChampionNote)


def noted_registry(home: Path) -> RegistryNote:
    """Read whether the registry answers.

    Parameters
    ----------
    home : Path
        Folder of the service's state.

    Returns
    -------
    RegistryNote
        As the watcher saw it last.
    """
    return _read(home, RegistryNote) or RegistryNote()


def forget_registry(home: Path) -> None:
    """Forget what another run of the service saw of the registry.

    Parameters
    ----------
    home : Path
        Folder of the service's state.
    """
    (models_folder(home) / _FILES[RegistryNote]).unlink(missing_ok=True)


def _read(home: Path, kind: type[_Note]) -> _Note | None:
    try:
        return kind.model_validate_json((models_folder(home) / _FILES[kind]).read_bytes())
    except (OSError, ValidationError):
        # Whoever writes it anew makes it whole; until then it is as if it were not there.
        return None
