"""A PostgreSQL server of our own, from what the machine has; the tests use it too."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["NoServerError", "postgres_server", "restart_server"]


class NoServerError(RuntimeError):
    """Raised where the machine has no PostgreSQL, or it does not start."""


@contextmanager
def postgres_server() -> Iterator[str]:
    """Start a server that is reachable by a socket in its own folder alone.

    Yields
    ------
    str
        Its address. The server and its data are gone at the end of the block.

    Raises
    ------
    NoServerError
        If there is none on this machine, or it does not start.
    """
    user = _server_user()
    with tempfile.TemporaryDirectory(prefix="worth-pg-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        if user:
            shutil.chown(folder, user)
        _run(folder, user, "initdb", "--username=worth", "--auth=trust", "--locale=C", "-E", "UTF8")
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
        _run(folder, user, "pg_ctl", "-l", str(folder / "log"), "-o", options, "-w", "start")
        try:
            yield f"postgresql://worth@/postgres?host={folder}"
        finally:
            _run(folder, user, "pg_ctl", "-m", "immediate", "stop")


def restart_server(url: str, *, mode: str) -> None:
    """Stop a server of `postgres_server` and start it anew.

    Parameters
    ----------
    url : str
        Its address.
    mode : {"fast", "immediate"}
        Whether it ends its connections and writes what it holds, or dies as if killed.

    Raises
    ------
    NoServerError
        If it does not start again.
    """
    folder = Path(url.rpartition("?host=")[2])
    _run(folder, _server_user(), "pg_ctl", "-m", mode, "-l", str(folder / "log"), "-w", "restart")


def _run(folder: Path, user: str | None, program: str, *arguments: str) -> None:
    command = [_binary(program), "-D", str(folder / "data"), *arguments]
    done = subprocess.run(
        command, user=user, cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        log = folder / "log"
        said = log.read_text(encoding="utf-8") if log.exists() else ""
        raise NoServerError(f"{program} failed: {done.stdout}{done.stderr}{said}")


def _binary(name: str) -> str:
    """Find a program of PostgreSQL; Debian keeps them out of PATH."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    found = str(places[0]) if places else shutil.which(name)
    if found is None:
        raise NoServerError(f"There is no {name} on this machine (Debian's package: postgresql).")
    return found


def _server_user() -> str | None:
    """PostgreSQL refuses to run as root; None keeps the user who runs this."""
    if os.geteuid() != 0:
        return None
    return next((u.pw_name for u in pwd.getpwall() if u.pw_name == "postgres"), "nobody")
