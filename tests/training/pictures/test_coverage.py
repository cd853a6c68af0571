import pytest
from matplotlib.axes import Axes

from training.pictures import draw_coverage

# Of the lowest third none, of the middle third one, of the highest both fall outside.
ACTUAL, LOWER, UPPER = [1, 2, 0, 4, 9, 9], [0, 0, 1, 3, 3, 3], [3, 3, 5, 5, 8, 8]
PREDICTED = [1, 2, 3, 4, 5, 6]


@pytest.fixture
def axes() -> Axes:
    return draw_coverage(ACTUAL, LOWER, UPPER, PREDICTED, nominal_coverage=0.8).axes[0]


def test_bars_are_shares_below_to_the_left_and_above_to_the_right(axes: Axes) -> None:
    below, above = ([bar.get_width() for bar in bars] for bars in axes.containers)
    assert below == pytest.approx([-1 / 6, 0, -1 / 2, 0])
    assert above == pytest.approx([1 / 3, 0, 0, 1])
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["all\n(6)", "lowest third\n(2)", "middle third\n(2)", "highest third\n(2)"]


def test_lines_stand_at_the_nominal_shares(axes: Axes) -> None:
    left, right, _ = (line.get_xdata()[0] for line in axes.lines)
    assert (left, right) == pytest.approx((-0.1, 0.1))
    assert axes.lines[1].get_label() == "nominal, 10.0% a side"


def test_the_title_gives_what_lies_inside() -> None:
    figure = draw_coverage([1, 3], [1, 0], [2, 3], [1, 2], nominal_coverage=0.8)
    assert figure.get_suptitle() == "100.0% of values lie inside intervals meant for 80%"


def test_a_coverage_in_percent_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be a float in the range \[0, 1\]. Got 90 instead"):
        draw_coverage(ACTUAL, LOWER, UPPER, PREDICTED, nominal_coverage=90)


def test_columns_of_others_are_refused() -> None:
    with pytest.raises(ValueError, match=r"columns of the same length. Got \[1, 6, 6, 6\]"):
        draw_coverage([1], LOWER, UPPER, PREDICTED, nominal_coverage=0.9)
