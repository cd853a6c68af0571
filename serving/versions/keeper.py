"""Keep the wanted models loaded in one worker: load beside the old one, try, then swap."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import structlog

from models.bundle import BundleError
from models.value.trees import load_lightgbm
from serving.champion import Champion
from serving.state import Service
from serving.store import StoreError
from serving.versions.bundles import bundle_folder, find_bundle, has_bundle
from serving.versions.chosen import MODEL_NAME, Named, wanted_models
from serving.versions.served import note_served, served
from serving.versions.trial import TrialError, try_bundle

__all__ = ["ModelKeeper", "UnfitModelError"]

_SECONDS_BETWEEN_LOOKS = 1.0
_log = structlog.get_logger()


class UnfitModelError(ValueError):
    """Raised where a bundle is broken, or its model not fit to serve."""


class ModelKeeper:
    """Holds what a worker has loaded to what is wanted.

    A model that is broken or unfit is never served: the one before goes on, and `problems` says
    what is wrong with the other.

    Parameters
    ----------
    service : Service
        Whose models these are.

    Attributes
    ----------
    problems : dict of str to str
        By version: why it does not serve although it is wanted.
    """

    def __init__(self, service: Service) -> None:
        self.problems: dict[str, str] = {}
        self._service = service
        self._home = service.company.home
        # Requests look too, when they change what is wanted.
        self._one_at_a_time = threading.Lock()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        # What was tried in vain, by digest and when its files were written.
        self._refused: dict[tuple[str, int], str] = {}
        self._served: Named | None = None

    @property
    def champion(self) -> Named | None:
        """What scores in this worker."""
        return _name_of(self._service.models.champion)

    @property
    def shadow(self) -> Named | None:
        """What is scored beside it."""
        return _name_of(self._service.models.shadow)

    def start(self) -> None:
        """Load what is wanted, the last good model where that cannot be; then keep looking."""
        self.look()
        if self.champion is None:
            self._go_on_from_last()
        self._thread = threading.Thread(target=self._keep_looking, name="models", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no longer."""
        self._end.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def look(self) -> None:
        """Look once at what is wanted, and load it."""
        with self._one_at_a_time, _going_on():
            with self._service.store.reading() as connection:
                wanted = wanted_models(connection, self._home)
            problems: dict[str, str] = {}
            self._swap_champion([wanted.champion], problems)
            self._swap_shadow(wanted.shadow, problems)
            self.problems = problems

    def loaded(self, model: Named) -> Champion:
        """Load a model and try it, without serving it.

        Parameters
        ----------
        model : Named
            Whose bundle is on disk.

        Returns
        -------
        Champion
            Fit to serve.

        Raises
        ------
        UnfitModelError
            If it is not; the sentence says why.
        """
        written_at = self._written_at(model)
        if (model.digest, written_at) in self._refused:
            raise UnfitModelError(self._refused[model.digest, written_at])
        try:
            bundle = find_bundle(self._home, model.digest)
            if bundle is None:
                raise BundleError("its bundle is not on disk")
            try_bundle(self._service.store, bundle)
        except (BundleError, TrialError) as error:
            # Where it lies is no business of who asks.
            said = str(error).replace(f"{bundle_folder(self._home, model.digest)}/", "").rstrip(".")
            fault = f"Version {model.version} does not serve: {said}."
            self._refused[model.digest, written_at] = fault
            raise UnfitModelError(fault) from None
        return Champion(MODEL_NAME, model.version, bundle, digest=model.digest)

    def _keep_looking(self) -> None:
        if not self._end.wait(_SECONDS_BETWEEN_LOOKS):
            _prepare_explanations()
        while not self._end.wait(_SECONDS_BETWEEN_LOOKS):
            self.look()

    def _go_on_from_last(self) -> None:
        """Serve the last model that did, because what is wanted cannot be."""
        with self._one_at_a_time, _going_on():
            with self._service.store.reading() as connection:
                line = served(connection)
            self._swap_champion(reversed(line), {})

    def _swap_champion(self, candidates: Iterable[Named | None], problems: dict[str, str]) -> None:
        """Serve the first that can be; where none can, what serves goes on."""
        models = self._service.models
        for model in candidates:
            if model is None:
                continue
            found = models.champion if model == self.champion else self._load(model, problems)
            if found is None:
                continue
            if found is not models.champion:
                models.champion = found
                _log.info("model.swapped", version=model.version, digest=model.digest)
            if model != self._served:
                note_served(self._service.store, model, self._service.now())
                self._served = model
            return

    def _swap_shadow(self, model: Named | None, problems: dict[str, str]) -> None:
        models = self._service.models
        if model == self.shadow:
            return
        models.shadow = None if model is None else self._load(model, problems)
        if model is not None and models.shadow is not None:
            _log.info("model.shadowed", version=model.version, digest=model.digest)

    def _load(self, model: Named, problems: dict[str, str]) -> Champion | None:
        if not has_bundle(self._home, model.digest):
            return None
        try:
            return self.loaded(model)
        except UnfitModelError as error:
            problems[model.version] = str(error)
            if self.problems.get(model.version) != str(error):
                _log.error("model.refused", version=model.version, reason=str(error))
            return None

    def _written_at(self, model: Named) -> int:
        try:
            return (bundle_folder(self._home, model.digest) / "bundle.json").stat().st_mtime_ns
        except OSError:
            return 0


def _prepare_explanations() -> None:
    """Import what they alone need, after the start, so that the first need not wait for it."""
    try:
        load_lightgbm()
    except ImportError as error:
        _log.error("explanations.not_to_be_had", reason=str(error))


def _name_of(model: Champion | None) -> Named | None:
    return None if model is None else Named(model.version, model.digest)


@contextmanager
def _going_on() -> Iterator[None]:
    """Go on with what is loaded where the store does not answer; it is asked again in a second."""
    try:
        yield
    except StoreError as error:
        _log.warning("models.not_looked_up", error=str(error))
