"""Run all checks over a ledger."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from features.ledger import Ledger
from features.usability.contacts import CONTACT_CHECKS
from features.usability.finding import Finding, RejectedReason, Report, in_order
from features.usability.history import HISTORY_CHECKS
from features.usability.identities import IDENTITY_CHECKS
from features.usability.loading import LOADING_CHECKS
from features.usability.receivables import RECEIVABLE_CHECKS
from features.usability.sales import SALES_CHECKS
from features.usability.survey import Survey, survey_of

__all__ = ["CHECKS", "check_ledger"]

Check = Callable[[Survey], Iterator[Finding]]

# By the name that findings bear.
CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        **LOADING_CHECKS,
        **HISTORY_CHECKS,
        **SALES_CHECKS,
        **IDENTITY_CHECKS,
        **RECEIVABLE_CHECKS,
        **CONTACT_CHECKS,
    }
)


def check_ledger(
    ledger: Ledger, *, horizon_days: int, today: int, rejected: Iterable[RejectedReason] = ()
) -> Report:
    """Say what the data can carry: what fails, what is doubtful, what more could be had.

    Parameters
    ----------
    ledger : Ledger
        The clean tables.
    horizon_days : int
        How far forecasts are to reach.
    today : int
        The day of the check, in days since 1970-01-01.
    rejected : iterable of RejectedReason, optional
        What was not loaded, and why.

    Returns
    -------
    Report
        Facts, and findings with the worst first.

    Raises
    ------
    ValueError
        If the horizon is not positive.

    Examples
    --------
    >>> report = check_ledger(Ledger({}), horizon_days=90, today=20_000)
    >>> report.findings[0].message
    'The ledger holds no order lines.'
    """
    if horizon_days < 1:
        raise ValueError(
            "The 'horizon_days' parameter of check_ledger must be an int of at least 1. "
            f"Got {horizon_days} instead."
        )
    with survey_of(ledger, horizon_days=horizon_days, today=today, rejected=rejected) as survey:
        findings = [finding for check in CHECKS.values() for finding in check(survey)]
        return Report(
            as_of=survey.as_of if survey.days else None,
            first_day=survey.first_day if survey.days else None,
            horizon_days=horizon_days,
            n_customers=survey.n_customers,
            rows=survey.rows,
            rejected=survey.rejected,
            findings=tuple(sorted(findings, key=in_order)),
        )
