"""A company whose data leave nothing to wish for; each test spoils one thing."""

from collections.abc import Callable

import pyarrow as pa
import pytest

from features.ledger import Ledger
from features.schema import TABLES
from features.usability import Finding, Report, check_ledger

Rows = dict[str, list[dict[str, object]]]
Check = Callable[..., Report]

TODAY = 20_000
HORIZON = 90
N_CUSTOMERS, ORDERS_EACH = 240, 4


@pytest.fixture
def rows() -> Rows:
    """Two years of orders, paid in 20 to 39 days, with a few complaints and a campaign."""
    made: Rows = {name: [] for name in TABLES}
    for n in range(N_CUSTOMERS):
        who = f"K{n + 1}"
        days = [TODAY - 1 - n % 180 - 180 * k for k in range(ORDERS_EACH)]
        for k, day in enumerate(days):
            _add_order(made, who, f"O{n}-{k}", day, paid_after=20 + n % 20, product=n % 9)
        if n % 12 == 0:
            line = {"customer_id": who, "day": days[0], "order_id": f"R{n}", "revenue": -9.0}
            made["order_lines"].append(
                line | {"cost": -6.0, "product_id": "P1", "quantity": -1.0, "channel": "shop"}
            )
        _add_contacts(made, who, n, days[1])
        made["customers"].append(
            {"customer_id": who, "kind": "retail", "region": "north", "acquired_day": days[-1]}
            | {"marketing_consent": n % 2, "planned_revenue": 250.0}
        )
    return made


def _add_order(
    made: Rows, who: str, order: str, day: int, *, paid_after: int, product: int
) -> None:
    line = {"customer_id": who, "day": day, "order_id": order, "revenue": 50.0 + product}
    made["order_lines"].append(
        line
        | {"product_id": f"P{product}", "category": "tea", "quantity": 2.0, "channel": "shop"}
        | {"cost": 30.0, "discount": 1.0}
    )
    invoice = {"customer_id": who, "invoice_id": f"I{order}", "amount": 50.0 + product}
    made["invoices"].append(invoice | {"day": day, "due_day": day + 30})
    if day + paid_after <= TODAY:
        made["payments"].append(invoice | {"payment_id": f"P{order}", "day": day + paid_after})


def _add_contacts(made: Rows, who: str, n: int, day: int) -> None:
    contact = {"customer_id": who, "day": day}
    made["interactions"].append(
        contact | {"interaction_id": f"S{n}", "kind": "survey", "satisfaction": n % 5 / 4}
    )
    campaign = contact | {"campaign_id": "spring"}
    made["interactions"].append(
        campaign | {"interaction_id": f"M{n}", "kind": "campaign_contact", "cost": 1.0}
    )
    if n % 3 == 0:
        made["interactions"].append(
            campaign | {"interaction_id": f"A{n}", "kind": "campaign_response", "day": day + 2}
        )
    if n % 10 == 0:
        complaint = {"interaction_id": f"C{n}", "kind": "complaint", "topic": "transport"}
        made["interactions"].append(contact | complaint | {"resolved_day": day + 5})


@pytest.fixture(scope="session")
def check() -> Check:
    """Check rows; those of a table that are not given are none."""

    def make(rows: Rows, **options: object) -> Report:
        tables = {
            name: pa.Table.from_pylist(
                [{"row_key": b"%d" % n} | row for n, row in enumerate(rows[name])],
                schema=TABLES[name].arrow_schema,
            )
            for name in rows
        }
        return check_ledger(Ledger(tables), **({"horizon_days": HORIZON, "today": TODAY} | options))

    return make


@pytest.fixture(scope="session")
def only() -> Callable[[Report, str], Finding]:
    """The only finding of a check; there are none of other checks."""

    def find(report: Report, check: str) -> Finding:
        (finding,) = report.findings
        assert finding.check == check
        return finding

    return find
