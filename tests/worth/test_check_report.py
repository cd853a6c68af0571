import io
import json
from dataclasses import fields, replace
from html.parser import HTMLParser

import pytest
from rich.console import Console

from features.ledger import Ledger
from features.usability import Finding, RejectedReason, Report, check_ledger
from worth.check_report import print_report, report_html, report_json, summary_of

NASTY = "<script>alert('[red]x[/red]')</script>"


@pytest.fixture
def report(cdnow: Ledger) -> Report:
    reasons = [
        RejectedReason("shop", "revenue is missing", 1_600, 9_000, 12_345, NASTY),
        RejectedReason(NASTY, "ordered_at is not a date", 2, 50, 3, '{"a": "[/]"}'),
    ]
    return check_ledger(cdnow, horizon_days=400, today=cdnow.last_day, rejected=reasons)


@pytest.fixture
def empty() -> Report:
    return check_ledger(Ledger({}), horizon_days=90, today=20_000)


@pytest.fixture
def perfect(report: Report) -> Report:
    return replace(report, findings=(), rejected=())


class Page(HTMLParser):
    """Collects what a page holds, and that every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def printed(report: Report, width: int = 200) -> str:
    file = io.StringIO()
    print_report(report, Console(file=file, width=width))
    return file.getvalue()


class TestConsole:
    def test_shows_facts_reasons_and_findings(self, report: Report) -> None:
        text = printed(report)
        assert "1997-01-01 to 1998-06-30, 546 days" in text
        assert "row 12,345: " in text
        assert "order_lines.cost" in text
        assert text.splitlines()[-1] == summary_of(report)
        assert [text.index(level) for level in ("│ warning", "│ recommendation")] == sorted(
            text.index(level) for level in ("│ warning", "│ recommendation")
        )

    def test_takes_nothing_of_the_data_for_markup(self, report: Report) -> None:
        assert "[red]x[/red]" in printed(report, width=400)
        assert '{"a": "[/]"}' in printed(report, width=400)

    def test_of_an_empty_ledger_and_of_a_perfect_one(self, empty: Report, perfect: Report) -> None:
        assert "The ledger holds no order lines." in printed(empty)
        assert printed(perfect).splitlines()[-1] == "0 errors, 0 warnings, 0 recommendations."
        assert "Findings" not in printed(perfect)

    def test_fits_a_narrow_console(self, report: Report) -> None:
        assert max(len(line) for line in printed(report, width=80).splitlines()) <= 80


class TestJson:
    def test_has_stable_keys(self, report: Report) -> None:
        content = json.loads(report_json(report))
        assert [*content] == ["facts", "findings"]
        facts = content["facts"]
        assert [*facts] == [
            "as_of", "first_day", "days", "horizon_days", "customers", "rows", "rejected",
        ]  # fmt: skip
        assert (facts["as_of"], facts["days"], facts["customers"]) == ("1998-06-30", 546, 2357)
        assert facts["rows"]["order_lines"] == 6919
        assert facts["rejected"][0] == {
            "source": "shop", "reason": "revenue is missing", "count": 1_600, "n_read": 9_000,
            "example_row": 12_345, "example_content": NASTY,
        }  # fmt: skip
        assert len(content["findings"]) == len(report.findings) > 5
        names = {field.name for field in fields(Finding)}
        assert all(set(finding) == names for finding in content["findings"])

    def test_of_an_empty_ledger_has_no_days(self, empty: Report) -> None:
        facts = json.loads(report_json(empty))["facts"]
        assert (facts["as_of"], facts["first_day"], facts["days"]) == (None, None, 0)


class TestHtml:
    def test_is_well_formed_and_loads_nothing(self, report: Report) -> None:
        html = report_html(report)
        page = Page(html)
        assert page.open == ["html"] or not page.open
        tags = {tag for tag, _ in page.tags}
        assert not tags & {"script", "link", "img", "iframe", "object", "form", "a"}
        assert not any({"src", "href"} & set(attributes) for _, attributes in page.tags)
        assert "url(" not in html
        assert "@import" not in html

    def test_escapes_the_data(self, report: Report) -> None:
        html = report_html(report, title="A & <B>")
        assert NASTY not in html
        assert "&lt;script&gt;" in html
        assert "<title>A &amp; &lt;B&gt;</title>" in html
        assert NASTY in "".join(Page(html).texts)

    def test_says_all_that_was_found(self, report: Report) -> None:
        text = "".join(Page(report_html(report)).texts)
        for finding in report.findings:
            assert finding.message in text
            assert finding.way_out in text
        assert "12,345" in text
        assert summary_of(report) in text

    def test_names_what_its_tables_and_their_cells_are(self, report: Report) -> None:
        page = Page(report_html(report))
        ids = {attributes.get("id") for _, attributes in page.tags}
        tables = [attributes for tag, attributes in page.tags if tag == "table"]
        assert len(tables) == 3
        assert {table["aria-labelledby"] for table in tables} <= ids
        heads = [attributes for tag, attributes in page.tags if tag == "th"]
        assert all(head.get("scope") in {"row", "col"} for head in heads)
        assert ("html", {"lang": "en"}) in page.tags

    def test_of_an_empty_ledger_and_of_a_perfect_one(self, empty: Report, perfect: Report) -> None:
        assert "The ledger holds no order lines." in report_html(empty)
        assert "nothing to complain of" in report_html(perfect)
        assert "Rejected rows" not in report_html(perfect)


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [((1, 1, 1), "1 error, 1 warning, 1 recommendation."), ((0, 2, 0), "0 errors, 2 warnings, 0 ")],
)
def test_summary_counts(counts: tuple[int, int, int], sentence: str, empty: Report) -> None:
    (error, *_) = empty.findings
    levels = ("error", "warning", "recommendation")
    findings = tuple(
        replace(error, level=level)
        for level, n in zip(levels, counts, strict=True)
        for _ in range(n)
    )
    assert summary_of(replace(empty, findings=findings)).startswith(sentence)
