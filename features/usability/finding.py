"""What a check finds, and the report that all findings make."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pyarrow.compute as pc

from features.cleaning import Cleaned
from features.schema import TABLES

__all__ = [
    "LEVELS",
    "Finding",
    "Level",
    "RejectedReason",
    "Report",
    "Step",
    "in_order",
    "rejected_of",
]

Level = Literal["error", "warning", "recommendation"]
Step = Literal["signals", "training", "scoring"]

# The worst first: an error stops the step, a warning makes its result doubtful, a recommendation
# says what more the data could give.
LEVELS: tuple[Level, ...] = ("error", "warning", "recommendation")
_STEPS: tuple[Step, ...] = ("signals", "training", "scoring")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that the data's user should know.

    Parameters
    ----------
    check : str
        Name of the check that found it.
    level : {"error", "warning", "recommendation"}
        Whether the step fails, its result is doubtful, or more could be had.
    step : {"signals", "training", "scoring"}
        The first step that suffers.
    table : str
        The table it is in; of rejected rows, the source.
    column : str, optional
        The column it is in, where it is in one.
    count : int, optional
        How many rows, customers or days it concerns; None where nothing is counted.
    of : int, optional
        Of how many.
    example : str, optional
        One of them.
    message : str
        What is found: how many of how many, and an example.
    way_out : str
        What to do about it.
    """

    check: str
    level: Level
    step: Step
    table: str
    message: str
    way_out: str
    column: str | None = None
    count: int | None = None
    of: int | None = None
    example: str | None = None


@dataclass(frozen=True, slots=True)
class RejectedReason:
    """Why rows of a source were rejected, and how many.

    Parameters
    ----------
    source : str
        The source's name.
    reason : str
        What is wrong with the rows.
    count : int
        How many rows it is wrong with.
    n_read : int
        How many rows the source held, clean and rejected.
    example_row : int
        Row number of one of them, as the source counts.
    example_content : str
        That row.
    """

    source: str
    reason: str
    count: int
    n_read: int
    example_row: int
    example_content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the data can carry.

    Parameters
    ----------
    as_of : int, optional
        Last day with an order line, in days since 1970-01-01; None without any.
    first_day : int, optional
        First day with an order line.
    horizon_days : int
        How far forecasts are to reach.
    n_customers : int
        Customers with an order line.
    rows : mapping of str to int
        Rows a table.
    rejected : tuple of RejectedReason
        What was not loaded, the most frequent reason first.
    findings : tuple of Finding
        The worst first.
    """

    as_of: int | None
    first_day: int | None
    horizon_days: int
    n_customers: int
    rows: Mapping[str, int]
    rejected: tuple[RejectedReason, ...]
    findings: tuple[Finding, ...]

    @property
    def days(self) -> int:
        """Days of history, both ends included; 0 without an order line."""
        if self.as_of is None or self.first_day is None:
            return 0
        return self.as_of - self.first_day + 1

    @property
    def has_errors(self) -> bool:
        """Whether a step will fail."""
        return any(finding.level == "error" for finding in self.findings)

    def findings_of(self, check: str) -> tuple[Finding, ...]:
        """Pick the findings of one check.

        Parameters
        ----------
        check : str
            Its name, as in `CHECKS`.

        Returns
        -------
        tuple of Finding
            In the report's order; empty where it found nothing.
        """
        return tuple(finding for finding in self.findings if finding.check == check)

    def count_of(self, level: Level) -> int:
        """Count the findings of a level.

        Parameters
        ----------
        level : {"error", "warning", "recommendation"}
            The level.

        Returns
        -------
        int
            How many findings are of it.
        """
        return sum(finding.level == level for finding in self.findings)


def in_order(finding: Finding) -> tuple[int, int, int, str, str, str]:
    """Put findings in order: the worst first, then by step, table, column and check.

    Parameters
    ----------
    finding : Finding
        One of them.

    Returns
    -------
    tuple
        To sort by.
    """
    tables = tuple(TABLES)
    return (
        LEVELS.index(finding.level),
        _STEPS.index(finding.step),
        tables.index(finding.table) if finding.table in tables else len(tables),
        finding.table,
        finding.column or "",
        finding.check + finding.message,
    )


def rejected_of(source: str, cleaned: Cleaned) -> list[RejectedReason]:
    """Count the rejected rows of a source by reason.

    Parameters
    ----------
    source : str
        Its name.
    cleaned : Cleaned
        What cleaning made of it.

    Returns
    -------
    list of RejectedReason
        The most frequent reason first, each with its first row as an example.
    """
    reasons = []
    for reason, count in cleaned.counts_by_reason().items():
        first = cleaned.rejected.filter(pc.field("reason") == reason).slice(0, 1).to_pylist()[0]
        reasons.append(
            RejectedReason(
                source=source,
                reason=reason,
                count=count,
                n_read=cleaned.n_read,
                example_row=first["source_row"],
                example_content=first["content"] or "",
            )
        )
    return reasons
