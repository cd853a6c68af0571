"""Ask the model registry, fetch the bundles that are wanted to disk, and note what it said.

It never decides what is served: the workers try what was fetched, and go on without the registry
when it is away.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import structlog

from models.bundle import Bundle, BundleError
from serving.registry import Registered, Registry, RegistryAwayError, RegistryError
from serving.store import Store
from serving.versions.bundles import bundle_folder, has_bundle, keep_folder
from serving.versions.catalogue import remember_versions
from serving.versions.chosen import MODEL_NAME, choices, digest_of
from serving.versions.notes import (
    ChampionNote,
    RegistryNote,
    note,
    noted_champion,
    noted_registry,
)
from serving.versions.sweeping import sweep_bundles

__all__ = ["Watcher"]

_log = structlog.get_logger()


class Watcher:
    """Asks the registry, and tells the workers by what it leaves on disk.

    Parameters
    ----------
    registry : Registry
        Whom it asks.
    store : Store
        Where people's choices are, and the versions are remembered.
    home : Path
        Folder of the service's state.
    """

    def __init__(self, registry: Registry, store: Store, home: Path) -> None:
        self._registry = registry
        self._store = store
        self._home = home
        self._whole: set[str] = set()
        self._has_fetched = True

    def ask(self) -> None:
        """Ask once, and bring disk and store in line with the answer.

        Raises
        ------
        StoreError
            If the store does not answer.
        """
        try:
            registered = self._registry.registered()
            problems = self._bring(registered)
        except RegistryAwayError as error:
            self._tell("away", error=str(error))
            return
        self._tell("reachable", problems=problems)
        if self._has_fetched:
            sweep_bundles(self._home, self._store)
            self._has_fetched = False

    def is_wanted(self) -> bool:
        """Tell whether people chose a version whose bundle is neither on disk nor known broken.

        Returns
        -------
        bool
            Whether it is worth asking at once.

        Raises
        ------
        StoreError
            If the store does not answer.
        """
        registry = noted_registry(self._home)
        if registry.state == "away":
            return False
        with self._store.reading() as connection:
            for version in choices(connection).values():
                digest = digest_of(connection, self._home, version)
                is_there = digest is not None and has_bundle(self._home, digest)
                if not is_there and version not in registry.problems:
                    return True
        return False

    def _bring(self, registered: Registered) -> dict[str, str]:
        """Fetch what is wanted; give the problems there were, by version."""
        remember_versions(self._store, registered.digests, describe=self._described, at=_now())
        with self._store.reading() as connection:
            wanted = set(choices(connection).values())
        if registered.champion is not None:
            wanted.add(registered.champion)
        problems: dict[str, str] = {}
        for version in sorted(wanted):
            digest = self._brought(version, registered.digests.get(version), problems)
            if digest is not None and version == registered.champion:
                self._tell_champion(version, digest)
        return problems

    def _brought(self, version: str, digest: str | None, problems: dict[str, str]) -> str | None:
        """Have the bundle of a version on disk, and give its digest."""
        if digest is None:
            problems[version] = f"The registry holds no version {version} any more."
            return None
        if digest and self._is_whole(digest):
            return digest
        try:
            with self._registry.fetched(version) as folder, _without_path(folder):
                found = keep_folder(self._home, folder)
        except RegistryAwayError:
            raise
        except (RegistryError, BundleError, OSError) as error:
            problems[version] = f"Version {version} cannot be fetched: {_plain(error)}"
            return None
        if digest and found != digest:
            problems[version] = (
                f"The files of version {version} are not those that were registered: their digest "
                f"is {found}, not {digest}."
            )
            return None
        self._whole.add(found)
        self._has_fetched = True
        _log.info("model.fetched", version=version, digest=found)
        return found

    def _is_whole(self, digest: str) -> bool:
        """Check a bundle on disk once; a broken one is fetched anew."""
        if not has_bundle(self._home, digest):
            return False
        if digest not in self._whole:
            try:
                Bundle.load(bundle_folder(self._home, digest))
            except BundleError:
                return False
            self._whole.add(digest)
        return True

    def _described(self, version: str) -> dict[str, Any]:
        try:
            return self._registry.manifest(version)
        except RegistryAwayError:
            raise
        except RegistryError:
            return {}  # Fetching it, where it is wanted, says what is wrong.

    def _tell_champion(self, version: str, digest: str) -> None:
        before = noted_champion(self._home)
        if before is None or (before.version, before.digest) != (version, digest):
            said = ChampionNote(name=MODEL_NAME, version=version, digest=digest, seen_at=_now())
            note(self._home, said)
            _log.info("model.champion", version=version, digest=digest)

    def _tell(
        self,
        state: Literal["reachable", "away"],
        *,
        error: str | None = None,
        problems: Mapping[str, str] | None = None,
    ) -> None:
        before = noted_registry(self._home)
        # What could not be fetched is no better for the registry's being away.
        faults = dict(before.problems if problems is None else problems)
        since = before.since if before.state == state else _now()
        said = RegistryNote(state=state, since=since, error=error, problems=faults)
        if said == before:
            return
        note(self._home, said)
        if before.state != state:
            _log.info("registry.state", state=state, error=error)
        for version, fault in faults.items():
            if before.problems.get(version) != fault:
                _log.error("model.not_fetched", version=version, reason=fault)


@contextmanager
def _without_path(folder: Path) -> Iterator[None]:
    """Leave out of a fault where the files lay for a moment."""
    try:
        yield
    except BundleError as error:
        raise BundleError(str(error).replace(f"{folder}/", "")) from None


def _plain(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
