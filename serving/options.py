"""How the service runs: the table `[service]` of worth.toml, and what it needs of the company."""

from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["CompanyFacts", "ServiceOptions", "TokenIssuer"]

_Seconds = Annotated[float, Field(gt=0, le=86_400)]


class TokenIssuer(BaseModel):
    """Who may sign bearer tokens (OAuth 2, OpenID Connect), beside the service's own keys.

    Parameters
    ----------
    issuer : str
        The `iss` of its tokens.
    audience : str
        The `aud` they must be for.
    jwks_path : Path, optional
        File of its public keys (RFC 7517).
    jwks_url : str, optional
        Address of them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str
    audience: str
    jwks_path: Path | None = None
    jwks_url: str | None = None

    @model_validator(mode="after")
    def _has_one_place_of_keys(self) -> Self:
        if (self.jwks_path is None) == (self.jwks_url is None):
            raise ValueError("an issuer's keys are at jwks_path or at jwks_url, one of them")
        return self


class ServiceOptions(BaseModel):
    """How the service runs.

    Parameters
    ----------
    score_max_age_hours : float
        An older score says `stale`, and the service is not ready.
    drain_seconds : float
        How long a service that was told to stop still answers, saying it is not ready.
    request_seconds : float
        How long a request may take.
    max_body_bytes : int
        How large the body of a request may be.
    rate_limit : int
        Requests a second that one key may make of one worker, if it has no limit of its own.
    lockout_failures : int
        So many wrong keys in a minute from one address, and it must wait.
    model_poll_seconds : float
        How often the model registry is asked for the champion.
    issuer : TokenIssuer, optional
        Who may sign bearer tokens.
    traces_endpoint : str, optional
        Where OpenTelemetry traces go (OTLP over HTTP).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    score_max_age_hours: Annotated[float, Field(gt=0, le=24 * 366)] = 48.0
    drain_seconds: Annotated[float, Field(ge=0, le=600)] = 3.0
    request_seconds: _Seconds = 30.0
    max_body_bytes: Annotated[int, Field(ge=1_000, le=100_000_000)] = 5_000_000
    rate_limit: Annotated[int, Field(ge=1, le=1_000_000)] = 1_000
    lockout_failures: Annotated[int, Field(ge=1, le=10_000)] = 20
    model_poll_seconds: _Seconds = 15.0
    issuer: TokenIssuer | None = None
    traces_endpoint: str | None = None


class CompanyFacts(BaseModel):
    """What the service must know of the company.

    Parameters
    ----------
    home : Path
        Folder of its state: bundles on disk, the key of pseudonyms.
    currency : str
        Of all money.
    time_zone : str
        It decides where a day begins.
    discount_rate : float
        Annual, for money to come.
    tier_policy : str
        What makes a tier.
    """

    model_config = ConfigDict(frozen=True)

    home: Path
    currency: str = "XXX"
    time_zone: str = "UTC"
    discount_rate: float = 0.10
    tier_policy: Literal["predicted", "pareto"] = "predicted"

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.time_zone)
