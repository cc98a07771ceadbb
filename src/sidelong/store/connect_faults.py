"""Why a connection to Redis could not be opened, and what to do about it; never with a password in it."""

import errno
import socket
import ssl
from collections.abc import Collection

from sidelong.errors import ConfigurationError, Refused, StoreError

NO_PROTOCOL = "it sent what is not the protocol of Redis"
_HAS_EXPIRED = 10
_NOT_YET_VALID = 9
_OTHER_NAME = (62, 64)
"""What OpenSSL calls them, in numbers."""


def explained(error: Exception, *, within: float, has_tls: bool, secrets: Collection[str]) -> str:
    """Return what may be told of a failed attempt.

    Args:
        error: what it raised.
        within: seconds that it had.
        has_tls: whether this side spoke TLS.
        secrets: what no log may show.
    """
    match error:
        case ssl.SSLCertVerificationError():
            return _about_certificate(error)
        case ssl.SSLError() if "WRONG_VERSION_NUMBER" in str(error):
            return "it does not speak TLS; use redis://, or the port on which it does"
        case TimeoutError() if not str(error):
            # A server without TLS waits for the end of what it takes for a command.
            last = "it speaks TLS there" if has_tls else "a firewall lets you through"
            return f"no answer within {within:g} s; see whether host and port are right, and {last}"
        case socket.gaierror():
            return f"its host name cannot be resolved ({error.strerror}); correct the URL"
        case FileNotFoundError() if error.filename is None:
            return "there is no such socket; start Redis, or correct the path in the URL"
        case OSError() if f"Errno {errno.ECONNREFUSED}" in str(error):
            return "the connection was refused; start Redis there, or correct the URL"
        case StoreError() | ConfigurationError():
            return str(error)
        case OSError() if str(error):
            text = str(error)
        case _:
            text = f"{type(error).__name__}: {error}"
    return type(error).__name__ if any(secret in text for secret in secrets) else text


def refused(command: str, answer: Refused) -> str:
    """Return what to say when Redis refuses a command of the handshake."""
    match command, answer.code:
        case _, "NOAUTH":
            return "it asks for a password; put user and password into the URL, as in redis://user:password@host"
        case "AUTH", "WRONGPASS":
            return f"it refuses the login; correct user and password in the URL ({answer})"
        case "SELECT", "NOPERM":
            return f"its user may not choose a database; allow SELECT, or use database 0 ({answer})"
        case "SELECT", _:
            return f"it refuses the database; name one that it has in the URL ({answer})"
        case _:
            return f"it refused {command}: {answer}"


def hung_up(error: Exception, refusal: Refused | None, *, has_tls: bool) -> str:
    """Return what to say when the connection ends during the handshake.

    Args:
        error: what it ended with.
        refusal: what the server said before, if anything.
        has_tls: whether this side spoke TLS.
    """
    if refusal is not None:
        # A full server says so in answer to whatever comes first, and hangs up.
        return f"it hung up during the handshake: {refusal}"
    reason = str(error)
    if has_tls and ("CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason):
        return "it asks for a client certificate; name one with ssl_certfile and ssl_keyfile in the URL"
    if has_tls and ("UNKNOWN_CA" in reason or "BAD_CERTIFICATE" in reason):
        return "it does not trust the client certificate; name one in ssl_certfile that its authority has signed"
    if NO_PROTOCOL in reason:
        return "what answers there is not Redis; see whether host and port are right"
    advice = "" if has_tls else "; if it expects TLS, use rediss://"
    return f"it hung up during the handshake: {reason}{advice}"


def _about_certificate(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == _HAS_EXPIRED:
        return "its certificate has expired; renew it"
    if error.verify_code == _NOT_YET_VALID:
        return "its certificate is not valid yet; see whether the clocks are right"
    if error.verify_code in _OTHER_NAME:
        return f"its certificate is for another host; use a name that stands in it ({error.verify_message})"
    return (
        f"its certificate is not trusted ({error.verify_message});"
        " name the file of the authority that signed it with ssl_ca_certs in the URL"
    )
