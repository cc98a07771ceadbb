"""Where a server listens, as people write it: HOST:PORT."""

from sidelong.errors import ConfigurationError

_LARGEST_PORT = 65_535


def parse_address(text: str, *, called: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`, such as `127.0.0.1:8080` or `[::1]:8080`.

    Args:
        text: the address.
        called: what messages call it.

    Raises:
        ConfigurationError: it is none.
    """
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        colon = ""
    if colon and host and port.isascii() and port.isdigit() and 0 < int(port[:6]) <= _LARGEST_PORT:
        return host, int(port)
    raise ConfigurationError(f"{called} must be HOST:PORT, such as 127.0.0.1:8080, not {text!r}")
