"""A connection that waits where the service says so."""

import time
from collections.abc import Mapping
from typing import Any, cast

import httpx

from worth_client.answers import Problem
from worth_client.errors import ServiceAwayError, WorthError

__all__ = ["PatientConnection"]

# Too many requests, and not able to answer now: both say when to ask again.
_LATER = {429, 503}
_TIMEOUT_SECONDS = 10.0
_FIRST_PAUSE_SECONDS = 0.1


class PatientConnection:
    """Connections to one service.

    Parameters
    ----------
    url : str
        Of the service.
    key : str
        An API key.
    patience_seconds : float
        How long a request is tried again.
    transport : httpx.BaseTransport, optional
        How requests travel; by network where it is not given.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        patience_seconds: float,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._patience_seconds = patience_seconds
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=_TIMEOUT_SECONDS,
            transport=transport,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ask(self, method: str, path: str, **request: Any) -> Any:
        """Send a request until it is answered, or patience ends.

        Parameters
        ----------
        method : str
            Of HTTP.
        path : str
            Below the service's address.
        **request : object
            As httpx takes it: params, json, headers.

        Returns
        -------
        object
            The answer's JSON.

        Raises
        ------
        WorthError
            If the service refuses.
        ServiceAwayError
            If it does not answer, or still says to try later, when patience ends.
        """
        patience_ends = time.monotonic() + self._patience_seconds
        pause = _FIRST_PAUSE_SECONDS
        while True:
            answer, problem = self._sent(method, path, request)
            if problem is None:
                assert answer is not None
                return answer.json()
            if answer is not None and answer.status_code not in _LATER:
                raise WorthError(problem)
            wait = _pause_asked(answer) or pause
            if time.monotonic() + wait > patience_ends:
                raise ServiceAwayError(problem)
            time.sleep(wait)
            pause *= 2

    def _sent(
        self, method: str, path: str, request: Mapping[str, Any]
    ) -> tuple[httpx.Response | None, Problem | None]:
        """Send a request once; nothing came of it where there is a problem."""
        try:
            answer = self._http.request(method, path, **request)
        except httpx.TransportError as error:
            return None, Problem(title="No answer", status=0, detail=f"{type(error).__name__}.")
        return answer, None if answer.is_success else _problem_of(answer)


def _pause_asked(answer: httpx.Response | None) -> float | None:
    text = answer.headers.get("Retry-After", "") if answer is not None else ""
    return float(text) if text.isdigit() else None


def _problem_of(answer: httpx.Response) -> Problem:
    if answer.headers.get("Content-Type", "").startswith("application/problem+json"):
        return cast(Problem, answer.json())
    # Something between us and the service answered.
    return Problem(title=answer.reason_phrase, status=answer.status_code, detail="No problem told.")
