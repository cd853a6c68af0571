"""How every picture looks: its colours, its frame and its numbers."""

import math
import textwrap

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

__all__ = [
    "ACTUAL",
    "ALARM",
    "CANDIDATES",
    "CAUTION",
    "INK",
    "PREDICTED",
    "QUIET",
    "TICK_SIZE",
    "at_end",
    "counted",
    "frame",
    "legend",
    "literal",
    "note",
    "number",
    "number_ticks",
    "percent",
    "percent_ticks",
    "titled_figure",
    "with_unit",
]

INK, QUIET, GRID = "#1A1A1A", "#5F5F5F", "#E4E4E4"
# Of Okabe and Ito (2008), who chose them to be told apart by the colour-blind. What came is grey,
# which differs from all of them in lightness too.
ACTUAL, PREDICTED, CAUTION, ALARM = "#4D4D4D", "#0072B2", "#E69F00", "#D55E00"
CANDIDATES = (PREDICTED, ALARM, "#009E73", "#CC79A7", "#56B4E9", CAUTION)

TICK_SIZE = 9
_TITLE_SIZE, _TEXT_SIZE = 12, 9.5
# Characters of a title to an inch, with some to spare.
_TITLE_PITCH = 9.5
_PAD = 0.1  # inches around what is drawn
_LARGE = ((1e9, "bn"), (1e6, "m"))


def titled_figure(finding: str, *, size: tuple[float, float]) -> Figure:
    """Start a picture under the sentence that it proves.

    Parameters
    ----------
    finding : str
        The sentence.
    size : tuple of float
        Width and height, in inches.

    Returns
    -------
    matplotlib.figure.Figure
        Without axes.

    Examples
    --------
    >>> titled_figure("Nothing was bought", size=(7, 4)).get_suptitle()
    'Nothing was bought'
    """
    figure = Figure(figsize=size, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=_PAD, h_pad=_PAD)
    lines = textwrap.fill(literal(finding), int(size[0] * _TITLE_PITCH))
    figure.suptitle(lines, x=0.012, ha="left", fontsize=_TITLE_SIZE, fontweight="bold", color=INK)
    return figure


def frame(axes: Axes, what: str, *, x: str, y: str, grid: str) -> None:
    """Say what axes show, and take away what draws the eye from it.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        The axes.
    what : str
        What they show.
    x, y : str
        What runs along, and in which unit.
    grid : {"x", "y", "both", "none"}
        Along which axis a value is read off.
    """
    axes.set_title(literal(what), loc="left", fontsize=_TEXT_SIZE, color=QUIET)
    axes.set_xlabel(literal(x), fontsize=_TEXT_SIZE, color=INK)
    axes.set_ylabel(literal(y), fontsize=_TEXT_SIZE, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(QUIET)
    axes.tick_params(colors=QUIET, labelsize=TICK_SIZE, length=3)
    axes.set_axisbelow(True)
    if grid != "none":
        axes.grid(axis=grid, color=GRID, linewidth=0.8)  # type: ignore[arg-type]  # a Literal


def legend(figure: Figure, axes: Axes) -> None:
    """Name what axes show, below the picture, where it hides nothing.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The picture.
    axes : matplotlib.axes.Axes
        With labelled artists.
    """
    artists, labels = axes.get_legend_handles_labels()
    figure.legend(
        artists,
        labels,
        loc="outside lower center",
        ncols=3,
        frameon=False,
        fontsize=TICK_SIZE,
        labelcolor=INK,
    )


def at_end(axes: Axes, text: str, *, x: float, y: float, is_left: bool) -> None:
    """Write at the end of a horizontal bar.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        With the bar.
    text : str
        What to write.
    x, y : float
        Where the bar ends.
    is_left : bool
        Whether it goes to the left.
    """
    axes.annotate(
        literal(text),
        (x, y),
        (-4 if is_left else 4, 0),
        textcoords="offset points",
        ha="right" if is_left else "left",
        va="center",
        fontsize=TICK_SIZE,
        color=INK,
        # What runs behind it must not strike it out.
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
    )


def note(axes: Axes, text: str) -> None:
    """Say in the middle of empty axes why they are empty.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        The axes. They lose their ticks, which would measure nothing.
    text : str
        Why.
    """
    axes.set(xticks=[], yticks=[])
    axes.text(
        0.5,
        0.5,
        literal(text),
        transform=axes.transAxes,
        ha="center",
        va="center",
        fontsize=_TEXT_SIZE,
        color=QUIET,
    )


def literal(text: str) -> str:
    r"""Keep matplotlib from reading names and currencies as formulas.

    Parameters
    ----------
    text : str
        As people shall read it.

    Returns
    -------
    str
        As matplotlib shall read it.

    Examples
    --------
    >>> print(literal("value, US$"))
    value, US\$
    """
    return text.replace("$", r"\$")


def with_unit(what: str, unit: str | None) -> str:
    """Put a unit behind what is measured in it.

    Parameters
    ----------
    what : str
        What is measured.
    unit : str or None
        Its unit; None where it has none, or nobody knows.

    Returns
    -------
    str
        Both.

    Examples
    --------
    >>> with_unit("mean value", "EUR")
    'mean value, EUR'
    """
    return f"{what}, {unit}" if unit else what


def number(value: float, *, beside: float | None = None) -> str:
    """Write a number for people: three digits that count, thousands apart, millions as m.

    Parameters
    ----------
    value : float
        The number.
    beside : float, optional
        The largest number that it stands beside, which decides how many decimals all of them have.

    Returns
    -------
    str
        It, with a real minus sign.

    Examples
    --------
    >>> [number(value) for value in (0.12345, 40.0, 1234.5, 2_500_000, float("nan"))]
    ['0.123', '40', '1,234', '2.5m', 'unknown']
    >>> number(40.0, beside=71.63)
    '40.0'
    """
    if math.isnan(value):
        return "unknown"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value if beside is None or not math.isfinite(beside) else beside)
    scale, unit = next(((s, u) for s, u in _LARGE if size >= s), (1.0, ""))
    n_decimals = max(0, 2 - math.floor(math.log10(size / scale))) if size else 0
    digits = f"{value / scale:z,.{n_decimals}f}"
    if beside is None and "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return f"{digits}{unit}".replace("-", "−")


def percent(share: float, n_decimals: int = 0) -> str:
    """Write a share for people.

    Parameters
    ----------
    share : float
        The share; 1 is all.
    n_decimals : int
        Digits behind the point.

    Returns
    -------
    str
        In percent.

    Examples
    --------
    >>> percent(0.256), percent(0.051, 1)
    ('26%', '5.1%')
    """
    return f"{share:z,.{n_decimals}%}".replace("-", "−")


def counted(n: int, what: str) -> str:
    """Write how many there are of something.

    Parameters
    ----------
    n : int
        How many.
    what : str
        One of them.

    Returns
    -------
    str
        Both.

    Examples
    --------
    >>> counted(1, "customer"), counted(2357, "customer")
    ('1 customer', '2,357 customers')
    """
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def number_ticks(axis: Axis, *, signed: bool = True) -> None:
    """Write the numbers at an axis for people.

    Parameters
    ----------
    axis : matplotlib.axis.Axis
        The axis.
    signed : bool, default True
        Whether numbers below 0 are told from those above.
    """
    axis.set_major_formatter(
        FuncFormatter(lambda value, _: number(value if signed else abs(value)))
    )


def percent_ticks(axis: Axis, *, signed: bool = True) -> None:
    """Write the shares at an axis as percent.

    Parameters
    ----------
    axis : matplotlib.axis.Axis
        The axis.
    signed : bool, default True
        Whether shares below 0 are told from those above.
    """

    def written(value: float, _: int | None) -> str:
        value = value if signed else abs(value)
        is_whole = abs(value * 100 - round(value * 100)) < 1e-6
        return percent(value, 0 if is_whole else 1)

    axis.set_major_formatter(FuncFormatter(written))
