"""VirtualNetwork: hosts, names, ports and links in memory, under unchanged asyncio streams and websockets.

Receives: what the virtual loop is asked for (look up, connect, listen); faults, called by a test.
Gives:    links with a seeded law, the errors of a real network, and one trace of all that was carried.
Never:    touches the machine's network or draws from anything but the seed; the law of one link is not moved by
          another's traffic.    Spec: RELIABILITY 2 rows 1 to 5, 30; 4.3.

    network = running_network()
    network.add_host("venue.test")              # or listen there: names of listeners are known
    (link,) = network.links_to("venue.test")
    link.abort(); link.stall("down"); link.resume("down"); link.cut_after(100)
    network.partition("venue.test"); network.refuse("venue.test"); network.heal("venue.test")
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from tradecore.errors import VirtualTimeRefused
from tradecore.testing.network_trace import NetworkTrace
from tradecore.testing.virtual_link import VirtualLink
from tradecore.testing.virtual_refusals import SOCKETS_INSTEAD
from tradecore.testing.virtual_server import VirtualServer
from tradecore.testing.virtual_transport import Address
from tradecore.testing.virtual_wire import LinkLaw

if TYPE_CHECKING:
    from tradecore.testing.virtual_loop import VirtualLoop

_ANY = "0.0.0.0"  # noqa: S104  (the wildcard of a network in memory)
_FIRST_EPHEMERAL_PORT = 49_152  # where IANA's dynamic ports begin
_FIRST_ADDRESS = IPv4Address("10.0.0.1")


class VirtualNetwork:
    """All hosts are known by name or address; who names no host of its own is `localhost`.

    law: of links made from now on, where the host has none of its own.
    """

    def __init__(self, loop: VirtualLoop, *, seed: int, law: LinkLaw) -> None:
        self.law, self.trace = law, NetworkTrace()
        self._loop, self._seed = loop, seed
        self._addresses = {"localhost": "127.0.0.1"}
        self._laws: dict[str, LinkLaw] = {}
        self._listeners: dict[Address, VirtualServer] = {}
        self._links: dict[int, VirtualLink] = {}
        self._links_made = 0
        self._next_port = _FIRST_EPHEMERAL_PORT
        self._partitioned: set[str] = set()
        self._refusing: set[tuple[str, int | None]] = set()
        self._lost_names: set[str] = set()
        self._watchers: list[Callable[[VirtualLink], object]] = []

    # ------------------------------------------------------------------------------------------------------ hosts

    def add_host(self, name: str, *, law: LinkLaw | None = None) -> str:
        """Make a name known, and give its address; law: of all links to this host."""
        address = _literal(name)
        if address is None:
            count = len(self._addresses) - 1
            address = self._addresses.setdefault(name, str(_FIRST_ADDRESS + count))
        if law is not None:
            self._laws[address] = law
        return address

    def name_of(self, address: str) -> str:
        """The name of an address; the address itself if it has none."""
        return next((name for name, known in self._addresses.items() if known == address), address)

    def look_up(self, host: Any, port: Any) -> list[tuple[Any, ...]]:
        """As getaddrinfo: one address.

        Raises: socket.gaierror for a name that no host has or whose look-up fails by `fail_look_up`.
        """
        name = host.decode() if isinstance(host, bytes) else host or "localhost"
        if name in self._lost_names:
            raise socket.gaierror(socket.EAI_AGAIN, f"look-up of {name!r} fails, as the test has told it to")
        address = _literal(name) or self._addresses.get(name)
        if address is None:
            known = ", ".join(self._addresses)
            raise socket.gaierror(
                socket.EAI_NONAME, f"no host of the virtual network is named {name!r}; known: {known}"
            )
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, int(port or 0)))]

    # ----------------------------------------------------------------------------------------------------- faults

    @property
    def links(self) -> tuple[VirtualLink, ...]:
        """Links that at least one end takes for open, in the order of connecting."""
        return tuple(self._links.values())

    def links_to(self, host: str, port: int | None = None) -> tuple[VirtualLink, ...]:
        """Open links to a listening host (name or address), in the order of connecting."""
        address = self._address(host)
        return tuple(link for link in self.links if link.server[0] == address and port in (None, link.server[1]))

    def watch(self, watcher: Callable[[VirtualLink], object]) -> None:
        """Call this with each new link before anything travels on it: faults may strike its handshake."""
        self._watchers.append(watcher)

    def partition(self, host: str) -> None:
        """Cut a host off: nothing from or to it arrives, silently; connecting to it hangs."""
        address = self._address(host)
        self._partitioned.add(address)
        self._note("partition", host)
        for link in self.links:
            if address in (link.client[0], link.server[0]):
                link.hold(f"partition of {address}")

    def refuse(self, host: str, port: int | None = None) -> None:
        """Refuse new connections to a host, or to one port of it, as if nobody listened."""
        self._refusing.add((self._address(host), port))
        self._note("refuse", host)

    def fail_look_up(self, host: str) -> None:
        """Let the look-up of this name fail."""
        self._lost_names.add(host)
        self._note("fail look-up", host)

    def heal(self, host: str) -> None:
        """End partition, refusals and failing look-ups of a host; what a partition held arrives now."""
        address = self._address(host)
        self._partitioned.discard(address)
        self._refusing = {refusal for refusal in self._refusing if refusal[0] != address}
        self._lost_names.discard(host)
        self._note("heal", host)
        for link in self.links:
            link.release(f"partition of {address}")

    def _address(self, host: str) -> str:
        address = _literal(host) or self._addresses.get(host)
        if address is None:
            raise ValueError(f"no host is named {host!r}; known: {', '.join(self._addresses)}. Call add_host() first")
        return address

    def _note(self, fault: str, host: str) -> None:
        self.trace.record(self._loop.elapsed_ns, 0, host, fault)

    # ------------------------------------------------------------------------------------------------- connecting

    async def connect(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: Any,
        port: Any,
        *,
        ssl: Any = None,
        sock: Any = None,
        local_addr: tuple[str, int] | None = None,
        **_options: Any,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """The loop's create_connection; the other options (families, time limits of TLS) change nothing here."""
        if sock is not None:
            raise VirtualTimeRefused("create_connection(sock=...)", SOCKETS_INSTEAD)
        address: Address = self.look_up(host, port)[0][4]
        client = self.look_up(*local_addr)[0][4] if local_addr is not None else ("127.0.0.1", 0)
        link = self._make_link((client[0], client[1] or self._take_port()), address)
        server = self._listener(address)
        if server is not None and server.is_secure is not bool(ssl):
            raise _tls_mismatch(link, is_server_secure=server.is_secure)
        self._links[link.number] = link
        for watcher in self._watchers:
            watcher(link)
        return await link.connect(protocol_factory)

    def _make_link(self, client: Address, server: Address) -> VirtualLink:
        self._links_made += 1
        law = self._laws.get(server[0], self.law)
        host = self.name_of(server[0])
        link = VirtualLink(self._loop, self._links_made, client, server, host=host, seed=self._seed, law=law)
        link.up.deliver = lambda *_: self._on_knock(link)
        for address in sorted({client[0], server[0]} & self._partitioned):
            link.hold(f"partition of {address}")
        return link

    def _on_knock(self, link: VirtualLink) -> None:
        server = self._listener(link.server)
        is_refused = bool(self._refusing & {link.server, (link.server[0], None)})
        if server is None or not server.is_serving() or is_refused:
            link.down.send("reset")
            return
        self._links[link.number] = link
        server.accept(link)

    def _listener(self, address: Address) -> VirtualServer | None:
        return self._listeners.get(address) or self._listeners.get((_ANY, address[1]))

    def forget(self, link: VirtualLink) -> None:
        """Both ends of a link have lost it."""
        self._links.pop(link.number, None)

    def _take_port(self) -> int:
        while any(port == self._next_port for _, port in self._listeners):
            self._next_port += 1
        self._next_port += 1
        if self._next_port > 65_536:
            self._next_port = _FIRST_EPHEMERAL_PORT + 1
        return self._next_port - 1

    # -------------------------------------------------------------------------------------------------- listening

    async def listen(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: Any,
        port: Any,
        *,
        ssl: Any = None,
        sock: Any = None,
        start_serving: bool = True,
        **_options: Any,
    ) -> VirtualServer:
        """The loop's create_server; a name that was not known becomes a host. Port 0 or None: a free one."""
        if sock is not None:
            raise VirtualTimeRefused("create_server(sock=...)", SOCKETS_INSTEAD)
        hosts: Iterable[Any] = host if isinstance(host, (list, tuple, set)) else [host]
        names = sorted({str(name) if name else _ANY for name in hosts})
        number = int(port or 0) or self._take_port()
        addresses = tuple((self.add_host(name), number) for name in names)
        for address in addresses:
            self._check_free(address)
        server = VirtualServer(self._loop, protocol_factory, addresses, is_secure=bool(ssl))
        self._listeners.update(dict.fromkeys(addresses, server))
        if start_serving:
            await server.start_serving()
        return server

    def _check_free(self, address: Address) -> None:
        own, port = address
        if any(
            (taken == port and _ANY in (own, other)) or address == (other, taken) for other, taken in self._listeners
        ):
            raise OSError(
                errno.EADDRINUSE, f"error while attempting to bind on address {address!r}: address already in use"
            )

    def stop_listening(self, server: VirtualServer) -> None:
        """Free the ports of a server."""
        for address in server.addresses:
            del self._listeners[address]


def _literal(host: str) -> str | None:
    """The address that this text spells, if it is one."""
    try:
        return str(IPv4Address(host))
    except ValueError:
        return None


def _tls_mismatch(link: VirtualLink, *, is_server_secure: bool) -> OSError:
    import ssl  # here, not above: few runs need it, and it is slow to load

    speaks, hears = ("plain", "TLS") if is_server_secure else ("TLS", "plain")
    return ssl.SSLError(1, f"[SSL] {link!r}: the client speaks {speaks}, the server expects {hears}")
