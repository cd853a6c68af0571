"""A block of the company as canonical tables of the ledger."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.schema import TABLES
from simulation.blocks import Block
from simulation.columns import customer_ids, days, named, numbered_text, reals, row_keys
from simulation.customers import OWNERS_PER_REGION, REGIONS
from simulation.interactions import KINDS, TOPICS
from simulation.products import CATEGORIES, PRICES, product_names
from simulation.purchases import CHANNELS
from simulation.world import BoolArray, IntArray

__all__ = ["canonical_table"]

_PEOPLE = (
    "Abel", "Bauer", "Costa", "Dubois", "Eriksen", "Ferrari", "Garcia", "Horvat", "Ivanov", "Jung",
    "Kowalski", "Lindt", "Moreau", "Novak", "Olsen", "Petit", "Quist", "Rossi", "Silva", "Toth",
    "Urban", "Vogel", "Weber", "Xavier", "Young", "Zeman", "Alvarez", "Berg", "Conti", "Dahl",
    "Egger", "Fischer", "Greco", "Huber", "Ibsen", "Jansen", "Keller", "Lang", "Maier", "Nagy",
)  # fmt: skip
_BUSINESSES = (
    "Bricolage", "Builders", "Depot", "Distribution", "Hardware", "House", "Interiors", "Logistics",
    "Maintenance", "Market", "Services", "Store", "Supplies", "Technics", "Trading", "Works",
)  # fmt: skip


def canonical_table(name: str, block: Block) -> pa.Table:
    """Write one table of a block.

    Parameters
    ----------
    name : str
        One of `features.schema.TABLES`.
    block : Block
        What happened.

    Returns
    -------
    pyarrow.Table
        In the table's schema, sorted by its key.
    """
    columns = _WRITERS[name](block)
    schema = TABLES[name].arrow_schema
    return pa.Table.from_arrays([columns[column] for column in schema.names], schema=schema)


def _order_lines(block: Block) -> dict[str, pa.Array]:
    lines, orders = block.lines, block.orders
    who = block.customers.number[lines.owner]
    category = lines.product // (len(PRICES) // len(CATEGORIES))
    order = orders.number[lines.order]
    return {
        "customer_id": customer_ids(who),
        "day": days(lines.day),
        "row_key": row_keys("order_lines", who, lines.number),
        "order_id": _order_ids(who, order, lines.is_return),
        "revenue": reals(lines.revenue),
        "product_id": named(product_names(), lines.product),
        "category": named(CATEGORIES, category),
        "quantity": reals(lines.quantity),
        "cost": reals(lines.cost),
        "discount": reals(lines.discount),
        "channel": named(CHANNELS, orders.channel[lines.order]),
    }


def _order_ids(who: IntArray, order: IntArray, is_return: BoolArray) -> pa.Array:
    """Name the orders; what comes back is booked as an order of its own."""
    # 0 for an order, 1 for its return.
    return numbered_text("O", (who, 8), "-", (order, 4), "-", (is_return.astype(np.int64), 1))


def _invoices(block: Block) -> dict[str, pa.Array]:
    orders, invoices = block.orders, block.invoices
    who = block.customers.number[orders.owner]
    return {
        "customer_id": customer_ids(who),
        "row_key": row_keys("invoices", who, orders.number),
        "invoice_id": numbered_text("I", (who, 8), "-", (orders.number, 4)),
        "day": days(orders.day),
        "due_day": days(invoices.due_day),
        "amount": reals(invoices.amount),
        "disputed_day": days(invoices.disputed_day),
    }


def _payments(block: Block) -> dict[str, pa.Array]:
    payments = block.payments
    who = block.customers.number[block.orders.owner[payments.order]]
    number = block.orders.number[payments.order]
    return {
        "customer_id": customer_ids(who),
        "row_key": row_keys("payments", who, 2 * number + payments.part),
        "payment_id": numbered_text("P", (who, 8), "-", (number, 4), "-", (payments.part, 1)),
        "invoice_id": numbered_text("I", (who, 8), "-", (number, 4)),
        "day": days(payments.day),
        "amount": reals(payments.amount),
    }


def _interactions(block: Block) -> dict[str, pa.Array]:
    interactions = block.interactions
    who = block.customers.number[interactions.owner]
    campaigns = [f"K{number:02d}" for number in range(1, len(block.world.campaigns()) + 1)]
    return {
        "customer_id": customer_ids(who),
        "row_key": row_keys("interactions", who, interactions.number),
        "interaction_id": numbered_text("T", (who, 8), "-", (interactions.number, 4)),
        "day": days(interactions.day),
        "kind": named(KINDS, interactions.kind),
        "topic": named(TOPICS, interactions.topic),
        "resolved_day": days(interactions.resolved_day),
        "satisfaction": reals(interactions.satisfaction),
        "cost": reals(interactions.cost),
        "campaign_id": named(campaigns, interactions.campaign),
    }


def _customers(block: Block) -> dict[str, pa.Array]:
    customers = block.customers
    who = customers.number
    # Both lists in steps, so that neighbours have different names and 640 have one of their own.
    person = named(_PEOPLE, who * 7 % len(_PEOPLE))
    business = named(_BUSINESSES, (who // len(_PEOPLE) + who * 3) % len(_BUSINESSES))
    employees = pc.cast(pa.array(customers.employees), pa.string())
    return {
        "customer_id": customer_ids(who),
        "row_key": row_keys("customers", who, np.zeros_like(who)),
        "name": pc.binary_join_element_wise(person, business, " "),
        "kind": named([kind.name for kind in block.world.kinds], customers.kind),
        "region": named(REGIONS, customers.region),
        "owner": named(_PEOPLE, customers.region * OWNERS_PER_REGION + customers.owner),
        "acquired_day": days(customers.acquired_day),
        "marketing_consent": pa.array(customers.has_consent.astype(np.int8)),
        "profiling_opt_out": pa.array(customers.has_opted_out.astype(np.int8)),
        "planned_revenue": reals(customers.planned_revenue),
        "attributes": pc.binary_join_element_wise('{"employees":', employees, "}", ""),
    }


_WRITERS: Mapping[str, Callable[[Block], dict[str, pa.Array]]] = MappingProxyType(
    {
        "order_lines": _order_lines,
        "invoices": _invoices,
        "payments": _payments,
        "interactions": _interactions,
        "customers": _customers,
    }
)
