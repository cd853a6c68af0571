"""Settings: `worth.toml`, overridden by environment variables `WORTH_...`, read once."""

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import SettingsError as UnreadableError

from features.schema import TABLES
from features.sources import Source
from serving.options import CompanyFacts, ServiceOptions

__all__ = ["CONFIG_FILE", "Settings", "SettingsError", "load_settings"]

CONFIG_FILE = "worth.toml"
_PREFIX = "WORTH_"
_Code = Annotated[str, Field(pattern="^[A-Z]{3}$")]
_Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class SettingsError(ValueError):
    """Raised where a setting is not what it has to be."""


class Settings(BaseSettings):
    """What a company says of itself and of how Worth is to run.

    Parameters
    ----------
    home : Path
        Folder of all state.
    store_url : SecretStr, optional
        Of the store: postgresql://user:password@host/database. Where it is not given, the store is
        a file in `home`.
    currency : str
        Of the ledger, ISO 4217; XXX says that none was given.
    time_zone : str
        Of the company; it decides where a day begins.
    horizon_days : int
        How far forecasts reach.
    discount_rate : float
        Annual, for money to come.
    tier_policy : {"predicted", "pareto"}
        What makes a tier.
    tracking_uri : str, optional
        Of MLflow; a database in `home` where it is not given.
    host : str
        Address the service listens on.
    port : int
        Its port; 0 takes a free one.
    sources : mapping of str to Source
        Where the ledger comes from.
    rates : mapping of str to mapping of date to float
        By currency code: what one unit is worth in the company's currency, from that day until
        the next.
    aliases : Source, optional
        A table of `alias` and `customer_id`: which customers go by several ids.
    service : ServiceOptions
        How the service runs.
    """

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    home: Path = Path("worth-data")
    store_url: SecretStr | None = None
    currency: _Code = "XXX"
    time_zone: str = "UTC"
    horizon_days: Annotated[int, Field(ge=1, le=3650)] = 180
    discount_rate: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 0.10
    tier_policy: Literal["predicted", "pareto"] = "predicted"
    tracking_uri: str | None = None
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    sources: dict[str, Source] = Field(default_factory=dict)
    rates: dict[_Code, dict[date, _Rate]] = Field(default_factory=dict)
    aliases: Source | None = None
    service: ServiceOptions = ServiceOptions()

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, time_zone: str) -> str:
        try:
            ZoneInfo(time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError("a time zone is named like Europe/London or Asia/Shanghai") from error
        return time_zone

    @field_validator("sources", mode="before")
    @classmethod
    def _fill_tables_of_their_name(cls, sources: Any) -> Any:
        if not isinstance(sources, dict):
            return sources
        return {
            name: {"table": name} | source
            if isinstance(source, dict) and name in TABLES
            else source
            for name, source in sources.items()
        }

    @model_validator(mode="after")
    def _has_no_rate_of_its_own(self) -> Self:
        if self.currency in self.rates:
            raise ValueError(
                f"[rates.{self.currency}] is of the company's own currency, which needs no rate"
            )
        return self

    @property
    def store_path(self) -> Path:
        """The store's file, where it is one."""
        return self.home / "worth.db"

    @property
    def store_place(self) -> str | Path:
        """Where the store is; it may hold a password, so never print it."""
        return self.store_url.get_secret_value() if self.store_url else self.store_path

    @property
    def company(self) -> CompanyFacts:
        """What the service must know of the company."""
        return CompanyFacts(
            home=self.home,
            currency=self.currency,
            time_zone=self.time_zone,
            discount_rate=self.discount_rate,
            tier_policy=self.tier_policy,
        )

    @property
    def mlflow_uri(self) -> str:
        """Where MLflow keeps runs and models."""
        return self.tracking_uri or f"sqlite:///{(self.home / 'mlflow.db').absolute()}"

    @property
    def artifacts(self) -> Path:
        """Folder of MLflow's files, where it has no server of its own."""
        return self.home / "mlflow-artifacts"


def load_settings(config: Path | None = None, **overrides: Any) -> Settings:
    """Read the settings.

    Parameters
    ----------
    config : Path, optional
        The file; `worth.toml` in this folder where it is not given, if there is one.
    **overrides : object
        What the command line says; it goes before the environment and the file.

    Returns
    -------
    Settings
        With the paths of the file made relative to this folder.

    Raises
    ------
    SettingsError
        If the file is missing or no TOML, or a key or value is wrong.
    """
    if config is not None and not config.is_file():
        raise SettingsError(f"There is no file {config}. Check --config, or leave it out.")
    file = config or Path(CONFIG_FILE)
    _refuse_misspelt_variables(os.environ)
    try:
        settings = _reader_of(file)(**overrides)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not TOML: {error}.") from None
    except UnreadableError:
        raise SettingsError(
            f"The environment variables {_PREFIX}SOURCES... must be JSON where they hold a table "
            f"or a list. One text is set like {_PREFIX}SOURCES__ORDERS__PATH=orders.csv."
        ) from None
    except ValidationError as error:
        raise SettingsError(_sentence(error, file, overrides)) from None
    return settings.model_copy(
        update={
            "home": _beside(file, settings.home) if _is_from_file(file, "home") else settings.home,
            "sources": {
                name: _placed(source, file, "sources", name)
                for name, source in settings.sources.items()
            },
            "aliases": settings.aliases and _placed(settings.aliases, file, "aliases"),
            "service": _with_keys_placed(settings.service, file),
        }
    )


def _placed(source: Source, file: Path, *keys: str) -> Source:
    if source.path is None or not _is_from_file(file, *keys, "path"):
        return source
    return source.model_copy(update={"path": _beside(file, source.path)})


def _with_keys_placed(service: ServiceOptions, file: Path) -> ServiceOptions:
    issuer = service.issuer
    is_placed = _is_from_file(file, "service", "issuer", "jwks_path")
    if issuer is None or issuer.jwks_path is None or not is_placed:
        return service
    keys = _beside(file, issuer.jwks_path)
    return service.model_copy(update={"issuer": issuer.model_copy(update={"jwks_path": keys})})


def _reader_of(file: Path) -> type[Settings]:
    class Reader(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            del dotenv_settings, file_secret_settings
            toml = TomlConfigSettingsSource(settings_cls, toml_file=file)
            return init_settings, env_settings, toml

    return Reader


def _is_from_file(file: Path, *keys: str) -> bool:
    if _variable(keys) in os.environ or not file.exists():
        return False
    part: Any = tomllib.loads(file.read_text(encoding="utf-8"))
    for key in keys:
        if key not in part:
            return False
        part = part[key]
    return True


def _variable(keys: Iterable[object]) -> str:
    return _PREFIX + "__".join(map(str, keys)).upper()


def _beside(file: Path, path: Path) -> Path:
    return path if path.is_absolute() else file.parent / path


def _refuse_misspelt_variables(environment: Mapping[str, str]) -> None:
    """Stop at a variable that was meant for us; others may begin with our prefix too."""
    known = {f"{_PREFIX}{name.upper()}" for name in Settings.model_fields}
    for variable in environment:
        if not variable.startswith(_PREFIX) or variable.split("__")[0] in known:
            continue
        close = difflib.get_close_matches(variable, known, n=1, cutoff=0.8)
        if close:
            raise SettingsError(
                f"The environment variable {variable} is not known. Did you mean {close[0]}?"
            )


def _sentence(error: ValidationError, file: Path, overrides: Mapping[str, Any]) -> str:
    fault = error.errors()[0]
    # Pydantic says of a wrong name of a key, too, where it stands.
    key = ".".join(str(part) for part in fault["loc"] if part != "[key]")
    if not key:
        return f"The settings contradict each other: {fault['msg'].removeprefix('Value error, ')}."
    variable = _variable(fault["loc"])
    if key in overrides:
        place = "the command line"
    elif variable in os.environ:
        place = f"the environment variable {variable}"
    else:
        place = str(file)
    if fault["type"] == "extra_forbidden":
        known = Source.model_fields if len(fault["loc"]) > 1 else Settings.model_fields
        close = difflib.get_close_matches(str(fault["loc"][-1]), known, n=1)
        hint = f"Did you mean '{close[0]}'?" if close else f"Known keys: {', '.join(known)}."
        return f"Unknown key '{key}' in {place}. {hint}"
    rule = fault["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    rule = rule[0].lower() + rule[1:]
    if fault["msg"].startswith("Input should be "):
        rule = f"must be {rule}"
    # A table, or an address, may hold a password.
    is_secret = fault["loc"][-1] in ("url", "store_url")
    is_plain = isinstance(fault["input"], str | int | float) and not is_secret
    got = f" Got {fault['input']!r} instead." if is_plain else ""
    return f"The setting '{key}' in {place} is wrong: {rule}.{got}"
