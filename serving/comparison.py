"""One customer against the company, by the totals and ranks of the score set published last."""

import json
from dataclasses import dataclass
from typing import Self

import pandas as pd
import sqlalchemy as sa

from features.signals.catalogue import CATALOGUE
from features.totals import shares_of_company
from models.tier.scorecard import Scorecard
from serving.published import POINTER
from serving.store import Store
from serving.store.tables import PUBLISHED, SCORE_SETS, SCORES

__all__ = ["Company", "compare"]


@dataclass(frozen=True)
class Company:
    """What customers are compared with.

    Parameters
    ----------
    totals : dict of str to float
        Money of all customers by signal.
    scorecard : Scorecard
        Fitted on all customers.
    """

    totals: dict[str, float]
    scorecard: Scorecard

    def to_json(self) -> str:
        """Write it as a score set keeps it.

        Returns
        -------
        str
            JSON.
        """
        facts = {"totals": self.totals, "scorecard": self.scorecard.to_state()}
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
        return cls(facts["totals"], Scorecard.from_state(facts["scorecard"]))


def compare(
    store: Store, customer_id: str, signals: dict[str, float | str | None]
) -> dict[str, float | None]:
    """Compare a customer with the company.

    Parameters
    ----------
    store : Store
        With a published score set.
    customer_id : str
        The customer.
    signals : dict of str to float, str or None
        Theirs.

    Returns
    -------
    dict of str to float or None
        Shares of the company (revenue_share and so on) and the scorecard's five dimensions, from
        0 to 100; None where nothing is known. Empty before anything is published.
    """
    with store.reading() as connection:
        found = connection.execute(
            sa.select(SCORE_SETS.c.company, SCORES.c.clv_expected)
            .join(PUBLISHED, PUBLISHED.c.set_id == SCORE_SETS.c.id)
            .outerjoin(
                SCORES,
                sa.and_(SCORES.c.set_id == SCORE_SETS.c.id, SCORES.c.customer_id == customer_id),
            )
            .where(PUBLISHED.c.what == POINTER)
        ).first()
    if found is None:
        return {}
    company = Company.from_json(found.company)
    numbers = {name: signals[name] for name, s in CATALOGUE.items() if s.unit != "class"}
    row = pd.DataFrame([numbers | {"expected_value": found.clv_expected}], dtype="float64")
    rated = shares_of_company(row, company.totals).join(company.scorecard.rate(row)).iloc[0]
    return {str(name): None if pd.isna(value) else float(value) for name, value in rated.items()}
