"""All that is known of the models, in one answer."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from features.ledger import date_of
from serving.state import Service
from serving.store.tables import MODEL_CHOICES, MODELS
from serving.versions.bundles import has_bundle
from serving.versions.chosen import Named, digest_of, known_versions
from serving.versions.keeper import ModelKeeper
from serving.versions.notes import noted_champion, noted_registry
from serving.versions.schemas import Choice, Models, ModelVersion, RegistryState, ServedModel
from serving.versions.served import served, served_before

__all__ = ["overview"]


def overview(service: Service, keeper: ModelKeeper) -> Models:
    """Tell which models there are, which serves, and what people chose.

    Parameters
    ----------
    service : Service
        The service.
    keeper : ModelKeeper
        What this worker has loaded.

    Returns
    -------
    Models
        By the registry as it was asked last, the store, and this worker.
    """
    home = service.company.home
    registry, champion = noted_registry(home), noted_champion(home)
    with service.store.reading() as connection:
        chosen = {
            row["what"]: Choice(
                version=row["version"],
                reason=row["reason"],
                actor=row["actor"],
                at=datetime.fromisoformat(row["at"]),
            )
            for row in connection.execute(sa.select(MODEL_CHOICES)).mappings()
        }
        seen = {row["version"]: row for row in connection.execute(sa.select(MODELS)).mappings()}
        digests = {
            version: digest_of(connection, home, version)
            for version in known_versions(connection, home)
        }
        before = served_before(served(connection), keeper.champion)
    pinned, shadow = chosen.get("pinned"), chosen.get("shadow")
    problems = registry.problems | keeper.problems
    return Models(
        registry=RegistryState(**registry.model_dump(include={"state", "since", "error"})),
        champion=champion.version if champion else None,
        serving=_loaded(keeper.champion),
        shadowing=_loaded(keeper.shadow),
        pinned=pinned,
        shadow=shadow,
        rollback_to=before.version if before else None,
        versions=[
            ModelVersion(
                version=version,
                digest=digest or None,
                **_facts(seen.get(version)),
                is_champion=champion is not None and champion.version == version,
                is_serving=keeper.champion is not None and keeper.champion.version == version,
                is_pinned=pinned is not None and pinned.version == version,
                is_shadow=shadow is not None and shadow.version == version,
                is_on_disk=bool(digest) and has_bundle(home, str(digest)),
                problem=problems.get(version),
            )
            for version, digest in digests.items()
        ],
    )


def _loaded(model: Named | None) -> ServedModel | None:
    return None if model is None else ServedModel(version=model.version, digest=model.digest)


def _facts(row: Any) -> dict[str, Any]:
    if row is None:
        return {"grade": None, "as_of": None}
    as_of = row["as_of"]
    return {"grade": row["grade"], "as_of": None if as_of is None else date_of(as_of)}
