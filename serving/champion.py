"""The model that scores."""

from dataclasses import dataclass

from models.bundle import Bundle

__all__ = ["Champion"]


@dataclass(frozen=True)
class Champion:
    """The model that scores.

    Parameters
    ----------
    name : str
        In the model registry.
    version : str
        In the model registry.
    bundle : Bundle
        The model itself, its digests checked.
    digest : str, optional
        Of the bundle, as its files say; computed once where it is not given.
    """

    name: str
    version: str
    bundle: Bundle
    digest: str = ""

    def __post_init__(self) -> None:
        if not self.digest:
            object.__setattr__(self, "digest", self.bundle.digest)
