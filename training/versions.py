"""What the model registry says of its versions, and of who was champion when."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

__all__ = ["CHALLENGER", "CHAMPION", "Promotion", "Version", "champion_before", "promotions_of"]

CHALLENGER, CHAMPION = "challenger", "champion"


@dataclass(frozen=True)
class Promotion:
    """A version was made champion.

    Parameters
    ----------
    version : str
        That became champion.
    at : str
        When, in UTC, as ISO 8601.
    reason : str
        Why.
    before : str or None
        The version that was champion until then, if there was one.
    is_rollback : bool
        Whether it took an earlier promotion back.
    """

    version: str
    at: str
    reason: str
    before: str | None
    is_rollback: bool


@dataclass(frozen=True)
class Version:
    """A registered model.

    Parameters
    ----------
    number : str
        In the model registry.
    run_id : str
        The run that made it.
    trained_at : datetime
        When it was registered, in UTC.
    aliases : tuple of str
        Champion, challenger, both or none.
    promotions : tuple of Promotion
        Those to it, the first one first.
    """

    number: str
    run_id: str
    trained_at: datetime
    aliases: tuple[str, ...] = ()
    promotions: tuple[Promotion, ...] = ()

    @property
    def is_champion(self) -> bool:
        """Whether it scores."""
        return CHAMPION in self.aliases


def promotions_of(versions: Iterable[Version]) -> list[Promotion]:
    """Gather who was made champion.

    Parameters
    ----------
    versions : iterable of Version
        All of the model.

    Returns
    -------
    list of Promotion
        The first one first.
    """
    found = [promotion for version in versions for promotion in version.promotions]
    return sorted(found, key=lambda promotion: promotion.at)


def champion_before(versions: Iterable[Version]) -> str | None:
    """Find whom a rollback makes champion again.

    A rollback takes the last promotion back that still stands, so two in a row go back by two.

    Parameters
    ----------
    versions : iterable of Version
        All of the model, one of them champion.

    Returns
    -------
    str or None
        A version that is still there; None where the champion is the first one.

    Examples
    --------
    >>> day = datetime(2026, 1, 1)
    >>> first = Promotion("1", "2026-01-02", "it is better than none", None, False)
    >>> second = Promotion("2", "2026-01-03", "it is better", "1", False)
    >>> champion_before(
    ...     [Version("1", "", day, (), (first,)), Version("2", "", day, (CHAMPION,), (second,))]
    ... )
    '1'
    """
    known = {version.number: version for version in versions}
    line: list[str] = []
    for promotion in promotions_of(known.values()):
        if promotion.is_rollback and promotion.version in line:
            line = _up_to(line, promotion.version)
            continue
        # Whoever was champion without a word of it here was so made by hand, in MLflow.
        line += [who for who in (promotion.before,) if who is not None and [who] != line[-1:]]
        line += [promotion.version] if [promotion.version] != line[-1:] else []
    champion = next(number for number, version in known.items() if version.is_champion)
    standing = _up_to(line, champion) if champion in line else [*line, champion]
    return next((who for who in reversed(standing) if who in known and who != champion), None)


def _up_to(line: list[str], number: str) -> list[str]:
    """Cut the line after the last time the version is in it."""
    return line[: len(line) - line[::-1].index(number)]
