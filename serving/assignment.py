"""What `worth serve` hands to the processes that it starts."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from serving.options import CompanyFacts, ServiceOptions
from serving.store import Store, open_store

__all__ = ["Assignment"]


class Assignment(BaseModel):
    """What a process of the service works on; it may hold passwords, which it does not show.

    Parameters
    ----------
    store_path : Path, optional
        File of the store.
    store_url : str, optional
        Its address, where it is no file.
    tracking_uri : str
        Of MLflow.
    company : CompanyFacts
        Currency, time zone and the like.
    options : ServiceOptions
        How the service runs.
    """

    model_config = ConfigDict(frozen=True)

    store_path: Path | None = None
    store_url: str | None = Field(default=None, repr=False)
    tracking_uri: str = Field(repr=False)
    company: CompanyFacts
    options: ServiceOptions = ServiceOptions()

    @classmethod
    def of(
        cls,
        store: Path | str,
        *,
        tracking_uri: str,
        company: CompanyFacts,
        options: ServiceOptions,
    ) -> Self:
        """Make an assignment.

        Parameters
        ----------
        store : Path or str
            File of the store, or its address.
        tracking_uri : str
            Of MLflow.
        company : CompanyFacts
            Currency, time zone and the like.
        options : ServiceOptions
            How the service runs.

        Returns
        -------
        Assignment
            Ready to be handed over.
        """
        return cls(
            store_path=store if isinstance(store, Path) else None,
            store_url=store if isinstance(store, str) else None,
            tracking_uri=tracking_uri,
            company=company,
            options=options,
        )

    def open_store(self, *, is_pooled: bool = False) -> Store:
        """Open the store.

        Parameters
        ----------
        is_pooled : bool
            Whether connections stay open between statements.

        Returns
        -------
        Store
            Ready for use.

        Raises
        ------
        StoreError
            If it cannot be opened.
        """
        return open_store(self.store_path or self.store_url or "", is_pooled=is_pooled)
