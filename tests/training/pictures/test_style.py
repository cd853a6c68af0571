import pytest

from training.pictures.style import number, percent, titled_figure


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (-0.0, "0"), (0.5, "0.5"), (-40.0, "−40"), (999_999.0, "999,999"),
     (1e6, "1m"), (-2.5e9, "−2.5bn"), (float("inf"), "∞"), (float("-inf"), "−∞")],
)  # fmt: skip
def test_numbers_are_written_for_people(value: float, text: str) -> None:
    assert number(value) == text


def test_numbers_that_stand_together_have_as_many_decimals() -> None:
    assert [number(value, beside=71.6) for value in (71.6, 26.0, -0.01)] == ["71.6", "26.0", "0.0"]
    assert [number(value, beside=2e6) for value in (2e6, 4e5)] == ["2.00m", "0.40m"]
    assert number(3.0, beside=float("inf")) == "3.00"


def test_a_share_of_nothing_has_no_sign() -> None:
    assert percent(-0.0001) == "0%"


def test_long_findings_run_over_two_lines() -> None:
    title = titled_figure("word " * 20, size=(5, 4)).get_suptitle()
    assert max(map(len, title.splitlines())) <= 47
