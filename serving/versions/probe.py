"""Whether the model registry can be there at all, asked within a second and without MLflow."""

import socket
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["registry_fault"]

_PATIENCE_SECONDS = 1.0
_PORTS = {"http": 80, "https": 443}


def registry_fault(uri: str) -> str | None:
    """Tell what is plainly wrong with the registry's address, for the line at the start.

    Parameters
    ----------
    uri : str
        Of the MLflow server or database.

    Returns
    -------
    str or None
        A sentence; None where there may be a registry.
    """
    path = uri.removeprefix("sqlite:///")
    if path != uri:
        there_is = Path(path).is_file()
        return None if there_is else f"There is no model registry at {path} yet."
    address = urlsplit(uri)
    if address.scheme not in _PORTS or not address.hostname:
        return None
    try:
        port = address.port or _PORTS[address.scheme]
        socket.create_connection((address.hostname, port), _PATIENCE_SECONDS).close()
    except (OSError, ValueError) as error:
        # Without its user and password.
        place = f"{address.scheme}://{address.hostname}"
        return f"The model registry at {place} does not answer: {error}."
    return None
