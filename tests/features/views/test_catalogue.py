from importlib.resources import files

import pytest

import features.views
from features.views import VIEWS, View, view_names

ALL = [pytest.param(view, id=name) for name, view in VIEWS.items()]


def test_every_view_has_a_sql_file_and_a_function_and_no_file_is_left_over() -> None:
    in_folder = {f.name for f in files("features.views").iterdir() if f.name.endswith(".sql")}
    assert in_folder == {f"{view.file or view.name}.sql" for view in VIEWS.values()}
    assert all(callable(getattr(features.views, name)) for name in view_names())


def test_all_is_all_one_sees() -> None:
    seen = {name for name in vars(features.views) if not name.startswith("_")}
    assert seen - {"catalogue", "company"} == set(features.views.__all__)


@pytest.mark.parametrize("view", ALL)
def test_every_view_and_column_says_what_it_means(view: View) -> None:
    assert view.meaning.endswith(".")
    assert view.grain.startswith("one row a ")
    assert all(column.meaning for column in view.columns)
    assert len({column.name for column in view.columns}) == len(view.columns)
    assert view.has_window or view.window_days is None


@pytest.mark.parametrize("view", ALL)
def test_units_are_part_of_the_name(view: View) -> None:
    by_ending = {"_days": "days", "_rate": "rate", "_share": "share"}
    for column in view.columns:
        for ending, unit in by_ending.items():
            if column.name.endswith(ending) and not column.name.startswith("n_"):
                assert column.unit == unit
        assert column.name.startswith("n_") == (column.unit == "count")
        assert column.name.startswith("is_") == (column.unit == "flag")
