"""Tell of the models, and choose among them; each choice is kept with who made it and why.

ServiceError
├── UnknownVersionError    404
├── UnfitVersionError      409
└── NothingToUndoError     409
"""

from pathlib import Path

import sqlalchemy as sa

from serving.audit import record
from serving.errors import ServiceError
from serving.state import Service
from serving.store.tables import MODEL_CHOICES
from serving.versions.bundles import has_bundle
from serving.versions.chosen import Choice, Named, choices, digest_of, known_versions
from serving.versions.keeper import ModelKeeper, UnfitModelError
from serving.versions.notes import noted_registry
from serving.versions.schemas import ModelChange
from serving.versions.served import served, served_before

__all__ = [
    "NothingToUndoError",
    "UnfitVersionError",
    "UnknownVersionError",
    "choose",
    "drop_choice",
    "roll_back",
]

# So many versions are named to who asked for one that is not there.
_NAMED = 10
_ACTIONS: dict[Choice, str] = {"pinned": "model.pinned", "shadow": "model.shadowed"}
_DROPPED: dict[Choice, str] = {"pinned": "model.unpinned", "shadow": "model.unshadowed"}


class UnknownVersionError(ServiceError):
    """Raised for a version that nobody here has seen."""

    status = 404
    title = "Unknown version"


class UnfitVersionError(ServiceError):
    """Raised for a version that cannot serve, or serves already."""

    status = 409
    title = "Version not fit"


class NothingToUndoError(ServiceError):
    """Raised where nothing was chosen, or nothing served before."""

    status = 409
    title = "Nothing to undo"


def choose(
    service: Service, keeper: ModelKeeper, what: Choice, version: str, *, reason: str, actor: str
) -> ModelChange:
    """Pin a version, or have it scored beside what serves.

    Parameters
    ----------
    service : Service
        The service.
    keeper : ModelKeeper
        What this worker has loaded.
    what : {"pinned", "shadow"}
        What it is to be.
    version : str
        Which.
    reason : str
        Why.
    actor : str
        Who says so.

    Returns
    -------
    ModelChange
        What came of it; not done yet where the bundle is still to be fetched.

    Raises
    ------
    UnknownVersionError
        If nobody here has seen such a version.
    UnfitVersionError
        If its bundle is broken, the model not fit, or to be compared with itself.
    """
    model = _known(service, version)
    if what == "shadow" and keeper.champion is not None and keeper.champion.version == version:
        raise UnfitVersionError(
            f"Version {version} serves, so it would be compared with itself. Shadow another, or "
            "pin another first."
        )
    _check_fit(service.company.home, keeper, model)
    _keep_choice(service, what, version, reason=reason, actor=actor, action=_ACTIONS[what])
    keeper.look()
    return _changed(service, keeper, what, version)


def drop_choice(
    service: Service, keeper: ModelKeeper, what: Choice, *, reason: str, actor: str
) -> ModelChange:
    """Take a choice back: the registry's champion serves again, or nothing is scored beside it.

    Parameters
    ----------
    service : Service
        The service.
    keeper : ModelKeeper
        What this worker has loaded.
    what : {"pinned", "shadow"}
        What was chosen.
    reason : str
        Why.
    actor : str
        Who says so.

    Returns
    -------
    ModelChange
        What came of it.

    Raises
    ------
    NothingToUndoError
        If nothing was chosen.
    """
    with service.store.writing() as connection:
        version = choices(connection).get(what)
        if version is None:
            done = "pinned" if what == "pinned" else "scored beside the champion"
            raise NothingToUndoError(f"No version is {done}. GET /v1/models shows what is.")
        connection.execute(sa.delete(MODEL_CHOICES).where(MODEL_CHOICES.c.what == what))
        on = f"model version {version}"
        record(connection, actor=actor, action=_DROPPED[what], object=on, reason=reason)
    keeper.look()
    serving = _serving(keeper)
    said = "is pinned no more" if what == "pinned" else "is scored beside the champion no more"
    goes_on = f"Version {serving} serves." if serving else "No model serves."
    return ModelChange(is_done=True, serving=serving, detail=f"Version {version} {said}. {goes_on}")


def roll_back(service: Service, keeper: ModelKeeper, *, reason: str, actor: str) -> ModelChange:
    """Pin what served before.

    Parameters
    ----------
    service : Service
        The service.
    keeper : ModelKeeper
        What this worker has loaded.
    reason : str
        Why.
    actor : str
        Who says so.

    Returns
    -------
    ModelChange
        What came of it.

    Raises
    ------
    NothingToUndoError
        If nothing served before.
    UnfitVersionError
        If what served before cannot serve any more.
    """
    with service.store.reading() as connection:
        before = served_before(served(connection), keeper.champion)
    if before is None:
        raise NothingToUndoError(
            "No other model served here before, so there is none to roll back to. "
            "POST /v1/models:pin pins any version."
        )
    _check_fit(service.company.home, keeper, before)
    _keep_choice(
        service, "pinned", before.version, reason=reason, actor=actor, action="model.rolled_back"
    )
    keeper.look()
    return _changed(service, keeper, "pinned", before.version)


def _known(service: Service, version: str) -> Named:
    home = service.company.home
    with service.store.reading() as connection:
        known = known_versions(connection, home)
        digest = digest_of(connection, home, version)
    if version in known:
        return Named(version, digest or "")
    if not known:
        raise UnknownVersionError(
            f"There is no version {version}: no version is known here yet. The model registry is "
            f"{noted_registry(home).state}."
        )
    named = ", ".join(known[:_NAMED]) + (", ..." if len(known) > _NAMED else "")
    raise UnknownVersionError(
        f"There is no version {version} among those known here: {named}. A new one is known "
        "once the model registry was asked again."
    )


def _check_fit(home: Path, keeper: ModelKeeper, model: Named) -> None:
    """Try a model before it is chosen, where its bundle is here already."""
    if not model.digest or not has_bundle(home, model.digest):
        return
    try:
        keeper.loaded(model)
    except UnfitModelError as error:
        raise UnfitVersionError(f"{error} What serves goes on.") from None


def _keep_choice(
    service: Service, what: Choice, version: str, *, reason: str, actor: str, action: str
) -> None:
    row = {"what": what, "version": version, "reason": reason, "actor": actor}
    with service.store.writing() as connection:
        service.store.lock(connection, "model_choices")
        connection.execute(sa.delete(MODEL_CHOICES).where(MODEL_CHOICES.c.what == what))
        connection.execute(sa.insert(MODEL_CHOICES).values(**row, at=service.now()))
        on = f"model version {version}"
        record(connection, actor=actor, action=action, object=on, reason=reason)


def _changed(service: Service, keeper: ModelKeeper, what: Choice, version: str) -> ModelChange:
    loaded = keeper.champion if what == "pinned" else keeper.shadow
    does = "serves" if what == "pinned" else "is scored beside the champion"
    serving = _serving(keeper)
    if loaded is not None and loaded.version == version:
        return ModelChange(is_done=True, serving=serving, detail=f"Version {version} {does}.")
    registry = noted_registry(service.company.home)
    until = "Nothing is served with" if serving is None else f"Version {serving} serves"
    detail = f"Version {version} {does} once its files are fetched. {until} until then."
    if registry.state == "away":
        detail += f" The model registry is away: {registry.error}"
    return ModelChange(is_done=False, serving=serving, detail=detail)


def _serving(keeper: ModelKeeper) -> str | None:
    return None if keeper.champion is None else keeper.champion.version
