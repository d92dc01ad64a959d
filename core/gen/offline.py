"""No connection leaves this process, plugins and their libraries included.

What Python's ``socket`` is asked to do is refused; a native library that opens sockets of its own, or another
process, is beyond its reach. Local sockets (Unix, loopback) stay usable.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

from gen.errors import ModelError

_origins: list[str] = []
"""Who asked for it first. A hook of the interpreter cannot be taken back, so that one is installed once."""


def forbid_connections(origin: str) -> None:
    """Refuse this process every connection, and look-up of a name, from now on, with a ``ModelError``.

    Args:
        origin: Who asks for it, for the message: ``"--offline"``.
    """
    if _origins:
        return
    from ipaddress import ip_address

    _origins.append(origin)
    # Libraries that know how to work without a network look for this.
    os.environ["HF_HUB_OFFLINE"] = "1"

    def is_local(host: object) -> bool:
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        if name in (None, "", "localhost"):
            return True
        try:
            address = ip_address(str(name).partition("%")[0])
        except ValueError:
            return False
        return address.is_loopback or address.is_unspecified

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        find = _TARGETS.get(event)
        target = find(arguments) if find else None
        if target is not None and not is_local(target[0]):
            place = ":".join(str(part) for part in target[:2] if part not in (None, 0))
            raise ModelError(f"no connection to {place}: {origin} forbids it", "run without it to allow that")

    sys.addaudithook(hook)


def forbidden_by() -> str:
    """Who forbids connections; empty when nobody does."""
    return next(iter(_origins), "")


def _address(value: object) -> tuple[object, ...] | None:
    """Host and port of a socket's address; None where the socket is local by its kind."""
    return value if isinstance(value, tuple) and value and isinstance(value[0], (str, bytes)) else None


_TARGETS: Mapping[str, Callable[[tuple[object, ...]], tuple[object, ...] | None]] = {
    "socket.connect": lambda arguments: _address(arguments[1]),
    "socket.sendto": lambda arguments: _address(arguments[1]),
    "socket.sendmsg": lambda arguments: _address(arguments[1]),
    "socket.getaddrinfo": lambda arguments: arguments[:2],
    "socket.gethostbyname": lambda arguments: arguments,
    "socket.gethostbyaddr": lambda arguments: arguments,
}
"""Where each audit event of the interpreter's table would go, from its arguments."""
