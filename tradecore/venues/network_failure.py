"""What went wrong on the way to a host, in words for a person: its name, the way, a refusal, TLS.

Receives: the OSError of an attempt to connect, and the host that was meant.
Gives:    one sentence; for a certificate that is not trusted also what to do about it.
Never:    decides whether to try again (handshake.py does).    RELIABILITY 2 #5, 5 (TLS).
"""

from __future__ import annotations

import socket
import ssl
from typing import Final

# OpenSSL's X509_V_ERR codes.
_NOT_YET_VALID: Final = 9
_EXPIRED: Final = 10
_WRONG_NAME: Final = 62
_WRONG_ADDRESS: Final = 64

_ADVICE: Final = {
    _NOT_YET_VALID: "Check this machine's clock; if it is right, only the venue can put that right",
    _EXPIRED: "Check this machine's clock; if it is right, only the venue can renew it",
    _WRONG_NAME: "Check the host in the url, and whether something (a proxy, a hotel's network) answers in its place",
    _WRONG_ADDRESS: "Write the host's name into the url instead of its address",
}
_ADVICE_ON_ISSUER: Final = (
    "Something may listen in between. If that is a proxy of your own, name the file of its authority in the "
    "environment variable SSL_CERT_FILE; if it is a venue on this machine, use ws:// and http://"
)


def describe_failure(error: OSError, host: str) -> str:
    """Why no connection to the host could be made."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the TLS certificate of {host} is not trusted: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLError):
        reason = (getattr(error, "reason", None) or str(error)).replace("_", " ").lower()
        return f"TLS with {host} failed: {reason}; a venue on this machine may want ws:// and http://"
    if isinstance(error, socket.gaierror):
        return f"the host name {host} cannot be resolved: {error.strerror or error}"
    if isinstance(error, ConnectionRefusedError):
        return f"{host} refuses the connection: {error.strerror or error}"
    if isinstance(error, ConnectionResetError):
        return f"{host} broke the connection off"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def advise_on_trust(error: ssl.SSLCertVerificationError) -> str:
    """What a person can do about a certificate that is not trusted."""
    return _ADVICE.get(error.verify_code, _ADVICE_ON_ISSUER)
