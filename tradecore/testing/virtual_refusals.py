"""What a virtual loop refuses: whatever lives in real time, each with what to use instead.

Receives: calls of loop methods that need threads, real sockets, other processes, pipes or signals.
Gives:    VirtualTimeRefused, at the call.
Never:    lets such a call wait: real time and virtual time would run side by side, and no run would repeat another.
          Spec: DESIGN 7; RELIABILITY 4.5.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NoReturn

from tradecore.errors import VirtualTimeRefused

THREADS_INSTEAD = "call the function directly, or use a store and files that work inside the loop (memory:, in-loop)"
SOCKETS_INSTEAD = "use asyncio.open_connection, asyncio.start_server or websockets: the virtual network carries these"
_TLS_INSTEAD = "use a plain connection: the virtual network takes ssl= at both ends but encrypts nothing"
_PROCESS_INSTEAD = "run the other side as a task of this loop, or test it on real time"
_SIGNAL_INSTEAD = "cancel the task or scope that the signal would stop, or test the signal on real time"

REFUSED = {
    **dict.fromkeys(("run_in_executor", "set_default_executor"), THREADS_INSTEAD),
    **dict.fromkeys(
        (
            "add_reader", "add_writer", "sock_recv", "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into",
            "sock_sendall", "sock_sendto", "sock_connect", "sock_accept", "sock_sendfile", "sendfile",
            "create_datagram_endpoint", "create_unix_connection", "create_unix_server", "connect_accepted_socket",
        ),
        SOCKETS_INSTEAD,
    ),
    "start_tls": _TLS_INSTEAD,
    **dict.fromkeys(
        ("subprocess_shell", "subprocess_exec", "connect_read_pipe", "connect_write_pipe"), _PROCESS_INSTEAD
    ),
    "add_signal_handler": _SIGNAL_INSTEAD,
}  # fmt: skip


def _make_refusal(name: str, instead: str) -> Callable[..., NoReturn]:
    def refuse(self: object, *_args: object, **_named: object) -> NoReturn:
        raise VirtualTimeRefused(f"loop.{name}()", instead)

    refuse.__name__ = name
    refuse.__doc__ = f"Refused: {instead}."
    return refuse


class RefusingLoop(asyncio.BaseEventLoop):
    """A loop without a selector, threads, sockets, processes and signals."""

    def remove_signal_handler(self, sig: int) -> bool:
        """Whether there was one; there never is."""
        return False

    def remove_reader(self, fd: Any) -> bool:
        """Whether there was one; there never is."""
        return False

    def remove_writer(self, fd: Any) -> bool:
        """Whether there was one; there never is."""
        return False


for _name, _instead in REFUSED.items():
    setattr(RefusingLoop, _name, _make_refusal(_name, _instead))
