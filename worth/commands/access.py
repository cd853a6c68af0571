"""Who may use the service, and who did what: API keys and the audit log."""

import re
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from worth.commands.options import ConfigOption, acting_user, err, open_store, out
from worth.settings import load_settings

if TYPE_CHECKING:  # Importing it takes seconds, which other commands save.
    from serving.auth import KeyFacts

__all__ = ["audit_app", "keys_app"]

keys_app = typer.Typer(help="API keys of the service.", no_args_is_help=True)
audit_app = typer.Typer(help="The log of who did what.", no_args_is_help=True)

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1)}
# A hundred years: beyond it nobody means what they say, and dates end somewhere.
_LONGEST = timedelta(days=36_525)


# Spelt out here, because asking the service for them would import it for every command.
class _Scope(StrEnum):
    scores_read = "scores:read"
    scores_preview = "scores:preview"
    events_write = "events:write"
    lists_read = "lists:read"
    lists_export = "lists:export"
    models_read = "models:read"
    models_promote = "models:promote"
    subjects_erase = "subjects:erase"
    admin = "admin"


_ExpiresOption = Annotated[
    str | None,
    typer.Option(
        "--expires", help="How long the key is taken (90d, 12h), or its last day (2027-01-31)."
    ),
]
_PrefixArgument = Annotated[str, typer.Argument(help="The eight signs between wk_ and the secret.")]


@keys_app.command("create")
def create_api_key(
    scope: Annotated[list[_Scope], typer.Option(help="What the key may do. Repeatable.")],
    name: Annotated[str | None, typer.Option(help="Who or what it is for.")] = None,
    expires: _ExpiresOption = None,
    rate_limit: Annotated[
        int | None,
        typer.Option(min=1, max=1_000_000, help="Requests a second; else service.rate_limit."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Make an API key and show it this once."""
    from serving.auth import create_key

    settings = load_settings(config)
    key = create_key(
        open_store(settings),
        [s.value for s in scope],
        name=name,
        expires_at=_end(expires, settings.company.zone),
        rate_limit=rate_limit,
        actor=acting_user(),
    )
    _show(key)


@keys_app.command("list")
def list_api_keys(config: ConfigOption = None) -> None:
    """List the API keys by prefix: what they may do, and when they were used."""
    from serving.auth import list_keys

    settings = load_settings(config)
    now = datetime.now(UTC)
    for key in list_keys(open_store(settings)):
        line = _line(key, now, settings.company.zone)
        out.print(line, highlight=False, soft_wrap=True, markup=False)


@keys_app.command("rotate")
def rotate_api_key(
    prefix: _PrefixArgument,
    overlap: Annotated[
        str, typer.Option(help="How long the old key is still taken: 24h, 7d, or 0h.")
    ] = "24h",
    expires: _ExpiresOption = None,
    config: ConfigOption = None,
) -> None:
    """Make a key in the place of another, which is taken for a while longer."""
    from serving.auth import rotate_key

    settings = load_settings(config)
    key = rotate_key(
        open_store(settings),
        prefix,
        overlap=_span(overlap, option="--overlap"),
        expires_at=_end(expires, settings.company.zone),
        actor=acting_user(),
    )
    _show(key)


@keys_app.command("revoke")
def revoke_api_key(prefix: _PrefixArgument, config: ConfigOption = None) -> None:
    """Take an API key out of force, for good; running services refuse it within a second."""
    from serving.auth import revoke_key

    revoke_key(open_store(load_settings(config)), prefix, actor=acting_user())
    out.print(f"Key {prefix} is revoked.", highlight=False)


@audit_app.command("verify")
def verify_log(
    head: Annotated[
        str | None,
        typer.Option(help="A hash that was the log's head once, and must be in it still."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Prove that no row of the audit log was changed, removed or moved."""
    from serving.audit import verify

    with open_store(load_settings(config)).reading() as connection:
        log = verify(connection, head=head)
    out.print(
        f"The audit log's {log.n:,} rows are as they were written. Its head is {log.head}. Keep it "
        "elsewhere: 'worth audit verify --head' tells later whether the end was cut off.",
        highlight=False,
        soft_wrap=True,
    )


@audit_app.command("show")
def show_log(
    last: Annotated[int, typer.Option(min=1, max=100_000, help="How many rows.")] = 20,
    config: ConfigOption = None,
) -> None:
    """Show the end of the audit log."""
    from serving.audit import last_rows

    with open_store(load_settings(config)).reading() as connection:
        rows = last_rows(connection, last)
    for row in rows:
        facts = (row["object"], f"n={row['n']}" if row["n"] is not None else None, row["reason"])
        what = "  ".join(str(fact) for fact in facts if fact is not None)
        line = f"{row['id']}  {row['at']}  {row['actor']}  {row['action']}  {what}".rstrip()
        out.print(_printable(line), highlight=False, soft_wrap=True, markup=False)


def _show(key: str) -> None:
    err.print("Keep this key; it is not shown again:", highlight=False)
    print(key)  # noqa: T201 - alone on stdout, so that a script can take it


def _line(key: "KeyFacts", now: datetime, zone: ZoneInfo) -> str:
    def said(moment: datetime | None) -> str:
        return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M") if moment else "never"

    end = key.revoked_at or key.expires_at
    facts = [
        key.prefix,
        f"{key.state(now)} {said(end)}" if key.state(now) != "in force" else "in force",
        " ".join(key.scopes),
        f"made {said(key.created_at)}",
        f"last used {said(key.last_used_at)}",
    ]
    if key.expires_at and key.state(now) == "in force":
        facts.append(f"expires {said(key.expires_at)}")
    if key.rate_limit:
        facts.append(f"{key.rate_limit:,} a second")
    return _printable("  ".join([*facts, key.name or ""]).rstrip())


def _printable(text: str) -> str:
    """Keep what others wrote from steering the terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _end(text: str | None, zone: ZoneInfo) -> datetime | None:
    """Read --expires: a span from now, or a day that is the last one in the company's zone."""
    if text is None:
        return None
    now = datetime.now(UTC)
    try:
        last_day = date.fromisoformat(text)
        end = datetime.combine(last_day + timedelta(days=1), time(), tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        end = now + _span(text, option="--expires")
    if end <= now:
        raise typer.BadParameter(f"--expires must lie in the future. Got {text} instead.")
    return end


def _span(text: str, *, option: str) -> timedelta:
    parts = re.fullmatch(r"([0-9]{1,6})([hd])", text)
    span = int(parts[1]) * _UNITS[parts[2]] if parts else None
    if span is None or span > _LONGEST:
        day = " or a day such as 2027-01-31" if option == "--expires" else ""
        raise typer.BadParameter(
            f"{option} takes hours or days, such as 24h or 90d{day}. Got {text!r} instead."
        )
    return span
