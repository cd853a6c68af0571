"""Views of the company as a whole: one SQL file a view, and the catalogue of what each says."""

from features.views.catalogue import VIEWS, View, ViewColumn, view_names
from features.views.company import (
    abc,
    by_kind,
    by_region,
    categories,
    compute_view,
    monthly_trade,
    movements,
    pareto,
    product_turnover,
    products,
    turnover,
    view_statement,
    yearly_trade,
)

__all__ = [
    "VIEWS",
    "View",
    "ViewColumn",
    "abc",
    "by_kind",
    "by_region",
    "categories",
    "compute_view",
    "monthly_trade",
    "movements",
    "pareto",
    "product_turnover",
    "products",
    "turnover",
    "view_names",
    "view_statement",
    "yearly_trade",
]
