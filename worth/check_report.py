"""The report of `worth check`: for the console, for programs and for the printer."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from features.ledger import date_of
from features.usability import Report
from worth import reports
from worth.pages import page_environment

__all__ = [
    "facts_of",
    "findings_table",
    "print_report",
    "rejected_table",
    "report_html",
    "report_json",
    "summary_of",
]

_STYLES = {"error": "bold red", "warning": "yellow", "recommendation": "cyan"}


def summary_of(report: Report) -> str:
    """Sum a report up in one sentence.

    Parameters
    ----------
    report : Report
        What the checks found.

    Returns
    -------
    str
        How many errors, warnings and recommendations there are.

    Examples
    --------
    >>> from features.ledger import Ledger
    >>> from features.usability import check_ledger
    >>> summary_of(check_ledger(Ledger({}), horizon_days=90, today=20_000))
    '1 error, 0 warnings, 4 recommendations.'
    """
    counts = {level: report.count_of(level) for level in ("error", "warning", "recommendation")}
    parts = [f"{n:,} {level}{'' if n == 1 else 's'}" for level, n in counts.items()]
    return ", ".join(parts) + "."


def facts_of(report: Report) -> dict[str, Any]:
    """Gather the facts that head a report.

    Parameters
    ----------
    report : Report
        What the checks found.

    Returns
    -------
    dict of str to object
        `as_of` and `first_day` (ISO dates, None without an order line), `days`, `horizon_days`,
        `customers`, `rows` (by table) and `rejected` (reasons with an example and its row number).
    """
    return {
        "as_of": _iso(report.as_of),
        "first_day": _iso(report.first_day),
        "days": report.days,
        "horizon_days": report.horizon_days,
        "customers": report.n_customers,
        "rows": dict(report.rows),
        "rejected": [asdict(reason) for reason in report.rejected],
    }


def print_report(report: Report, console: Console) -> None:
    """Print a report for people: facts, rejected rows, findings.

    Parameters
    ----------
    report : Report
        What the checks found.
    console : Console
        Where to print it.
    """
    console.print(reports.facts_table("Ledger", _told(report)))
    if report.rejected:
        console.print(rejected_table(report))
    if report.findings:
        console.print(findings_table(report))
    console.print(summary_of(report), highlight=False)


def findings_table(report: Report) -> Table:
    """Lay out the findings, the worst first.

    Parameters
    ----------
    report : Report
        What the checks found.

    Returns
    -------
    rich.table.Table
        For a console.
    """
    table = Table(title="Findings", title_justify="left", show_lines=True)
    for name in ("level", "step", "where", "what is found, and the way out"):
        table.add_column(name, overflow="fold")
    for finding in report.findings:
        # Ids and rows may hold what rich would take for markup.
        what = Text(finding.message)
        what.append(f"\n{finding.way_out}", style="dim")
        table.add_row(
            Text(finding.level, style=_STYLES[finding.level]),
            Text(finding.step),
            Text(_where(finding.table, finding.column)),
            what,
        )
    return table


def rejected_table(report: Report) -> Table:
    """Lay out why rows were rejected, with an example of each reason.

    Parameters
    ----------
    report : Report
        What the checks found.

    Returns
    -------
    rich.table.Table
        For a console.
    """
    table = Table(title="Rejected rows", title_justify="left")
    for name in ("source", "reason", "rows", "of", "example"):
        right = name in {"rows", "of"}
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for reason in report.rejected:
        example = f"row {reason.example_row:,}: {reason.example_content}"
        table.add_row(
            Text(reason.source),
            Text(reason.reason),
            f"{reason.count:,}",
            f"{reason.n_read:,}",
            Text(example),
        )
    return table


def report_json(report: Report) -> str:
    """Write a report for programs.

    Parameters
    ----------
    report : Report
        What the checks found.

    Returns
    -------
    str
        A JSON object: `facts`, as `facts_of` gathers them, and `findings`, a list of objects whose
        keys are the fields of `features.usability.Finding`.
    """
    findings = [asdict(finding) for finding in report.findings]
    content = {"facts": facts_of(report), "findings": findings}
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def report_html(report: Report, *, title: str = "What the data can carry") -> str:
    """Write a report as a page that stands alone and prints well.

    Parameters
    ----------
    report : Report
        What the checks found.
    title : str, optional
        Its heading.

    Returns
    -------
    str
        HTML without scripts and without anything to load. All data are escaped.
    """
    environment = page_environment()
    environment.filters["where"] = lambda finding: _where(finding.table, finding.column)
    return environment.get_template("check.html").render(
        title=title, summary=summary_of(report), facts=_told(report), report=report
    )


def _told(report: Report) -> Mapping[str, str]:
    history = "none"
    if report.days:
        history = f"{_iso(report.first_day)} to {_iso(report.as_of)}, {report.days:,} days"
    rows = {f"rows of {name}": f"{n:,}" for name, n in report.rows.items()}
    return {
        "history": history,
        "horizon": f"{report.horizon_days:,} days",
        "customers": f"{report.n_customers:,}",
        **rows,
        "rejected rows": f"{sum(reason.count for reason in report.rejected):,}",
    }


def _where(table: str, column: str | None) -> str:
    return f"{table}.{column}" if column else table


def _iso(day: int | None) -> str | None:
    return None if day is None else date_of(day).isoformat()
