"""One customer against the company, by the totals and ranks of the score set published last."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import sqlalchemy as sa

from features.totals import SUMMED
from models.tier.scorecard import Scorecard
from serving.published import POINTER
from serving.store.tables import PUBLISHED, SCORE_SETS

__all__ = ["Company", "compare", "published_company"]


@dataclass(frozen=True)
class Company:
    """What customers are compared with.

    Parameters
    ----------
    totals : dict of str to float
        Money of all customers by signal.
    scorecard : Scorecard
        Fitted on all customers.
    tier_cuts : dict of str to float or None, optional
        Value from which on customers are in tier A, and in B; sets of older programs have none.
    """

    totals: dict[str, float]
    scorecard: Scorecard
    tier_cuts: dict[str, float | None] | None = None

    def to_json(self) -> str:
        """Write it as a score set keeps it.

        Returns
        -------
        str
            JSON.
        """
        facts = {
            "totals": self.totals,
            "scorecard": self.scorecard.to_state(),
            "tier_cuts": self.tier_cuts,
        }
        return json.dumps(facts, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Parameters
        ----------
        text : str
            JSON.

        Returns
        -------
        Company
            The same.
        """
        facts = json.loads(text)
        card = Scorecard.from_state(facts["scorecard"])
        return cls(facts["totals"], card, facts.get("tier_cuts"))


def compare(
    company: Company, signals: Mapping[str, float | str | None], clv_expected: float | None
) -> dict[str, float | None]:
    """Compare a customer with the company.

    Parameters
    ----------
    company : Company
        Of the published score set.
    signals : mapping of str to float, str or None
        The customer's.
    clv_expected : float or None
        The customer's expected value, discounted; None where there is no score.

    Returns
    -------
    dict of str to float or None
        Shares of the company (revenue_share and so on) and the scorecard's five dimensions, from
        0 to 100; None where nothing is known.
    """
    shares = {share: _share(signals[name], company.totals[name]) for name, share in SUMMED.items()}
    return shares | company.scorecard.rate_one({**signals, "expected_value": clv_expected})


def _share(own: float | str | None, total: float) -> float | None:
    return own / total if isinstance(own, int | float) and total > 0 else None


def published_company(connection: sa.Connection) -> Company | None:
    """Read what customers are compared with.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        To the store.

    Returns
    -------
    Company or None
        Of the published score set; None before anything is published.
    """
    text = connection.execute(
        sa.select(SCORE_SETS.c.company)
        .join(PUBLISHED, PUBLISHED.c.set_id == SCORE_SETS.c.id)
        .where(PUBLISHED.c.what == POINTER)
    ).scalar()
    return None if text is None else Company.from_json(text)
