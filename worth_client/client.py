"""Every operation of the service as a method."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self, cast
from urllib.parse import quote

import httpx

from worth_client.answers import (
    DetailedScore,
    EventAnswers,
    History,
    Preview,
    Receipt,
    Record,
    Score,
    ScoresFound,
    SignalEntry,
    TargetList,
)
from worth_client.connection import PatientConnection
from worth_client.model_answers import ModelChange, Models, ShadowSummary

__all__ = ["WorthClient"]

_PAGE_CUSTOMERS = 1_000

Include = Literal["factors", "interval", "signals", "scorecard"]
TierCode = Literal["A", "B", "C"]


class WorthClient:
    """A client of one service, with a pool of connections. Close it, or use it as a context.

    What the service asks to try later is tried again for `patience_seconds`. Writes carry an
    Idempotency-Key, so that one that is sent again is done once. Every method raises WorthError
    where the service refuses, and ServiceAwayError where patience ends.

    Parameters
    ----------
    url : str
        Of the service, such as http://127.0.0.1:8000.
    key : str
        An API key with the scopes of what is asked.
    patience_seconds : float, default 30.0
        How long a request is tried again.
    transport : httpx.BaseTransport, optional
        How requests travel; by network where it is not given.

    Examples
    --------
    >>> score = {"customer_id": "C-0192", "clv": {"expected": 182.4}}
    >>> service = httpx.MockTransport(lambda _: httpx.Response(200, json=score))
    >>> with WorthClient("http://127.0.0.1:8000", "wk_...", transport=service) as worth:
    ...     worth.get_score("C-0192")["clv"]["expected"]
    182.4
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        patience_seconds: float = 30.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._connection = PatientConnection(
            url, key, patience_seconds=patience_seconds, transport=transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def get_score(self, customer_id: str, *, include: Sequence[Include] = ()) -> DetailedScore:
        """Tell what one customer is worth from today on.

        Parameters
        ----------
        customer_id : str
            Who.
        include : sequence of str, optional
            Parts to be told as well: factors, interval, signals, scorecard.

        Returns
        -------
        DetailedScore
            The score.
        """
        query = {"include": ",".join(include)} if include else {}
        return cast(DetailedScore, self._get(f"{_path_of(customer_id)}/score", query))

    def get_scores(
        self, customer_ids: Sequence[str], *, include: Sequence[Include] = ()
    ) -> ScoresFound:
        """Tell what up to 1,000 customers are worth, from one state of the store.

        Parameters
        ----------
        customer_ids : sequence of str
            Who.
        include : sequence of str, optional
            Parts to be told as well: interval, scorecard.

        Returns
        -------
        ScoresFound
            The scores in the order asked, and who has none.
        """
        wanted: dict[str, Any] = {"customer_ids": list(customer_ids)}
        if include:
            wanted["include"] = list(include)
        return cast(ScoresFound, self._connection.ask("POST", "/v1/scores:batchGet", json=wanted))

    def list_scores(self, *, tier: TierCode | None = None) -> Iterator[Score]:
        """Go through all scores, page by page; complete while a new set is published.

        Parameters
        ----------
        tier : {"A", "B", "C"}, optional
            Only customers of this tier.

        Yields
        ------
        Score
            One customer's, by rising id.

        Raises
        ------
        WorthError
            If the service refuses; with status 410 where two sets were published meanwhile.
        """
        query: dict[str, Any] = {"limit": _PAGE_CUSTOMERS} | ({"tier": tier} if tier else {})
        while True:
            page = self._get("/v1/scores", query)
            yield from page["scores"]
            if page["next_cursor"] is None:
                return
            query = query | {"cursor": page["next_cursor"]}

    def preview_score(
        self,
        events: Sequence[Mapping[str, Any]],
        *,
        customer_id: str | None = None,
        as_of: str | None = None,
        include: Sequence[Literal["factors", "signals"]] = (),
    ) -> Preview:
        """Tell what a history would be worth; nothing is stored.

        Parameters
        ----------
        events : sequence of mapping
            Orders, invoices and so on, as `post_events` takes them.
        customer_id : str, optional
            A customer of the ledger to whose history they are added.
        as_of : str, optional
            Last day known, ISO 8601; today where it is not given.
        include : sequence of str, optional
            Parts to be told as well: factors, signals.

        Returns
        -------
        Preview
            The forecast.
        """
        given = {"customer_id": customer_id, "as_of": as_of, "include": list(include) or None}
        wanted = {name: value for name, value in given.items() if value is not None}
        body = wanted | {"events": list(events)}
        return cast(Preview, self._connection.ask("POST", "/v1/scores:preview", json=body))

    def get_history(self, customer_id: str) -> History:
        """Tell how a customer's value, churn and tier moved, and what moved them.

        Parameters
        ----------
        customer_id : str
            Who.

        Returns
        -------
        History
            Scores, oldest first.
        """
        return cast(History, self._get(f"{_path_of(customer_id)}/history"))

    def post_events(self, events: Sequence[Mapping[str, Any]]) -> EventAnswers:
        """Report what happened, from 1 to 1,000 events, and get the new scores back.

        Parameters
        ----------
        events : sequence of mapping
            Each with type, event_id, customer_id and what its type needs.

        Returns
        -------
        EventAnswers
            One answer an event, in the order sent.

        Raises
        ------
        WorthError
            If the service refuses; then none of them was taken.
        """
        return cast(EventAnswers, self._write("POST", "/v1/events", json={"events": list(events)}))

    def preview_target_list(
        self, *, tier: TierCode | None = None, min_churn: float = 0.0, limit: int = 100
    ) -> TargetList:
        """Pull the most valuable customers that match a filter; nothing is stored or sent.

        Parameters
        ----------
        tier : {"A", "B", "C"}, optional
            Only customers of this tier.
        min_churn : float, default 0.0
            Lowest churn probability, 0 to 1.
        limit : int, default 100
            At most so many, up to 10,000.

        Returns
        -------
        TargetList
            Who, why and how much; nobody who refused marketing or profiling.
        """
        query: dict[str, Any] = {"min_churn": min_churn, "limit": limit}
        if tier:
            query["tier"] = tier
        return cast(TargetList, self._get("/v1/target-lists/preview", query))

    def list_signals(self) -> list[SignalEntry]:
        """List every signal with its labels, meaning, unit and range.

        Returns
        -------
        list of SignalEntry
            The catalogue.
        """
        return cast(list[SignalEntry], self._get("/v1/signals"))

    def list_models(self) -> Models:
        """Tell which versions of the model there are, and which serves.

        Returns
        -------
        Models
            Registered, chosen and serving.
        """
        return cast(Models, self._get("/v1/models"))

    def compare_shadow(self) -> ShadowSummary:
        """Tell how a challenger's answers differ from the champion's.

        Returns
        -------
        ShadowSummary
            By pair of versions.
        """
        return cast(ShadowSummary, self._get("/v1/models/shadow"))

    def pin_model(self, version: str, *, reason: str) -> ModelChange:
        """Let a version serve whatever the registry calls champion.

        Parameters
        ----------
        version : str
            Which.
        reason : str
            Why; it is kept.

        Returns
        -------
        ModelChange
            What came of it.
        """
        return self._choose("pin", version=version, reason=reason)

    def unpin_model(self, *, reason: str) -> ModelChange:
        """Let the registry's champion serve again.

        Parameters
        ----------
        reason : str
            Why; it is kept.

        Returns
        -------
        ModelChange
            What came of it.
        """
        return self._choose("unpin", reason=reason)

    def shadow_model(self, version: str, *, reason: str) -> ModelChange:
        """Let a version score beside the champion, unseen.

        Parameters
        ----------
        version : str
            Which.
        reason : str
            Why; it is kept.

        Returns
        -------
        ModelChange
            What came of it.
        """
        return self._choose("shadow", version=version, reason=reason)

    def unshadow_model(self, *, reason: str) -> ModelChange:
        """Let no version score beside the champion.

        Parameters
        ----------
        reason : str
            Why; it is kept.

        Returns
        -------
        ModelChange
            What came of it.
        """
        return self._choose("unshadow", reason=reason)

    def roll_back_model(self, *, reason: str) -> ModelChange:
        """Let the version serve that served before.

        Parameters
        ----------
        reason : str
            Why; it is kept.

        Returns
        -------
        ModelChange
            What came of it.
        """
        return self._choose("rollback", reason=reason)

    def get_record(self, customer_id: str) -> Record:
        """Tell everything that is held about a person.

        Parameters
        ----------
        customer_id : str
            Who.

        Returns
        -------
        Record
            With a plain account of their score.
        """
        return cast(Record, self._get(f"{_path_of(customer_id)}/record"))

    def erase_customer(self, customer_id: str, *, reason: str) -> Receipt:
        """Remove a person for good; they stay suppressed.

        Parameters
        ----------
        customer_id : str
            Who.
        reason : str
            Why, for the audit log; without personal data.

        Returns
        -------
        Receipt
            What was removed.
        """
        query = {"reason": reason}
        return cast(Receipt, self._write("DELETE", _path_of(customer_id), params=query))

    def _choose(self, what: str, **body: str) -> ModelChange:
        return cast(ModelChange, self._write("POST", f"/v1/models:{what}", json=body))

    def _get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        return self._connection.ask("GET", path, params=query)

    def _write(self, method: str, path: str, **request: Any) -> Any:
        return self._connection.ask(
            method, path, headers={"Idempotency-Key": uuid.uuid4().hex}, **request
        )


def _path_of(customer_id: str) -> str:
    return f"/v1/customers/{quote(customer_id, safe='')}"
