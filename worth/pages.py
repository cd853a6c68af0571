"""Pages that stand alone: what every report in HTML has in common."""

from jinja2 import Environment, PackageLoader, StrictUndefined

__all__ = ["page_environment"]


def page_environment() -> Environment:
    """Prepare the templates.

    Returns
    -------
    jinja2.Environment
        All data are escaped; a name that is not given is an error.
    """
    return Environment(
        loader=PackageLoader("worth"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
