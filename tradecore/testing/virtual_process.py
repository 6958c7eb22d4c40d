"""What a process gives to everybody, made virtual while a run lasts: clocks, randomness, threads, sockets.

Receives: a virtual loop and the seed.
Gives:    time.time and its kin from the virtual clock; random, secrets, os.urandom and uuid4 from the seed; an order
          that repeats where libraries keep objects in sets. Everything is as before when the run ends.
Never:    is needed by tradecore itself, whose clock and randomness are parameters: libraries read the process's own
          (websockets masks each frame and stamps a Date header), and their bytes must repeat too.
          Spec: RELIABILITY 4.1, 4.3; issue 4, build 6.
"""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from tradecore.domain.delay_law import draw_key
from tradecore.domain.instant import SECOND_NS
from tradecore.errors import VirtualTimeRefused
from tradecore.testing.virtual_refusals import SOCKETS_INSTEAD, THREADS_INSTEAD

if TYPE_CHECKING:
    from tradecore.testing.virtual_loop import VirtualLoop

_ABSENT = object()


@contextmanager
def virtual_process(loop: VirtualLoop, seed: int) -> Iterator[None]:
    """Make the process's clocks, randomness and sets repeat, and refuse threads and sockets, until the block ends."""
    with ExitStack() as stack:
        for owner, name, replacement in [*_clocks(loop), *_randomness(seed), *_refusals(), *_sets()]:
            stack.enter_context(_replaced(owner, name, replacement))
        state = random.getstate()
        stack.callback(random.setstate, state)
        random.seed(draw_key(seed, "random"))
        yield


def _clocks(loop: VirtualLoop) -> list[tuple[Any, str, Any]]:
    clock = loop.clock
    return [
        (time, "time", lambda: clock.wall_ns() / SECOND_NS),
        (time, "time_ns", clock.wall_ns),
        (time, "monotonic", lambda: clock.monotonic_ns() / SECOND_NS),
        (time, "monotonic_ns", clock.monotonic_ns),
    ]


def _randomness(seed: int) -> list[tuple[Any, str, Any]]:
    draw_bytes = random.Random(draw_key(seed, "urandom")).randbytes  # noqa: S311  (the opposite of secret is wanted)
    # The random module keeps a name of its own for os.urandom; secrets and SystemRandom draw through that one.
    return [(os, "urandom", draw_bytes), (random, "_urandom", draw_bytes)]


def _refusals() -> list[tuple[Any, str, Any]]:
    wanted: list[tuple[Any, str, Callable[..., str], str]] = [
        (threading.Thread, "start", lambda thread: f"thread {thread.name!r}", THREADS_INSTEAD),
        (socket.socket, "connect", lambda *_: "a real socket", SOCKETS_INSTEAD),
        (socket.socket, "connect_ex", lambda *_: "a real socket", SOCKETS_INSTEAD),
        (socket.socket, "bind", lambda *_: "a real socket", SOCKETS_INSTEAD),
        (socket, "getaddrinfo", lambda *_, **__: "socket.getaddrinfo()", "await loop.getaddrinfo() instead"),
        (
            time,
            "sleep",
            lambda _: "time.sleep()",
            "await asyncio.sleep(), or let a callback take long by loop.spend()",
        ),
    ]
    return [
        (owner, name, _refuse_in_this_thread(getattr(owner, name), describe, instead))
        for owner, name, describe, instead in wanted
    ]


def _refuse_in_this_thread(
    original: Callable[..., Any], describe: Callable[..., str], instead: str
) -> Callable[..., Any]:
    """Threads of a test runner may go on as they like; the run's own thread is refused."""
    own = threading.get_ident()

    def call_elsewhere(*args: Any, **named: Any) -> Any:
        if threading.get_ident() == own:
            raise VirtualTimeRefused(describe(*args, **named), instead)
        return original(*args, **named)

    return call_elsewhere


def _sets() -> list[tuple[Any, str, Any]]:
    """anyio cancels the scopes of a set, websockets closes the connections of a set: hashed by address, in any order.

    With one hash for all, a set keeps them by order of insertion; such sets are small.
    """
    from anyio._backends._asyncio import CancelScope
    from websockets.asyncio.connection import Connection

    def hash_alike(_self: object) -> int:
        return 0

    return [(CancelScope, "__hash__", hash_alike), (Connection, "__hash__", hash_alike)]


@contextmanager
def _replaced(owner: Any, name: str, replacement: Any) -> Iterator[None]:
    original = vars(owner).get(name, _ABSENT)  # absent: inherited, and to be inherited again
    setattr(owner, name, replacement)
    try:
        yield
    finally:
        if original is _ABSENT:
            delattr(owner, name)
        else:
            setattr(owner, name, original)
