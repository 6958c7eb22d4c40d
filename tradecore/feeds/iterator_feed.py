"""IteratorFeed: a feed of any iterator, async or plain, that yields events.

Receives: an async iterator or an iterable of events, ours or of the user's own class.
Gives:    the same objects, each checked once as it enters.
Never:    loses the events before a bad one: they are handed out first, then the error is raised.
          Spec: 1.3; DESIGN 4, 5.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from inspect import isasyncgen
from typing import Any

from tradecore.errors import FeedError, InvalidEvent, InvalidName
from tradecore.feeds.event_feed import BaseFeed
from tradecore.feeds.own_event import check_event


def feed(
    source: AsyncIterable[Any] | Iterable[Any],
    *,
    name: str,
    event_types: list[str] | None = None,
    is_live: bool = False,
) -> IteratorFeed:
    """An EventFeed of an iterator.

    name: unique within an engine. event_types: what it yields, for information. is_live: True when its events happen
    now (each is handed on as soon as it comes); False for history, which is read ahead in batches.
    """
    return IteratorFeed(source, name=name, event_types=event_types, is_live=is_live)


class IteratorFeed(BaseFeed):
    """See `feed()`.

    An async generator that is cancelled while it waits is over by Python's rules. The feed then raises FeedError when
    it is asked again, rather than take that for the end of the data; events it had yielded before are not lost.
    """

    def __init__(
        self,
        source: AsyncIterable[Any] | Iterable[Any],
        *,
        name: str,
        event_types: list[str] | None = None,
        is_live: bool = False,
    ) -> None:
        super().__init__(name, event_types)
        self.is_live = is_live
        self.rows = 0
        self._iterator: AsyncIterator[Any] | None = None
        self._plain: Iterator[Any] | None = None
        if isinstance(source, AsyncIterable):
            self._iterator = aiter(source)
        elif isinstance(source, Iterable):
            self._plain = iter(source)
        else:
            raise FeedError(
                f"feed {name!r} was given a {type(source).__name__}; expected an iterable or async iterable"
            )
        self._held: list[Any] = []
        self._error: Exception | None = None
        self._is_source_finished = False

    async def next_batch(self, limit: int) -> list[Any]:
        """1..limit events; [] when the iterator has ended. Cancelled, it has consumed nothing.

        Raises: what the iterator raises; InvalidEvent, InvalidTime, InvalidName naming the row; both after all events
        before it.
        """
        held = self._held
        if not self._finished and self._error is None and not self._is_source_finished:
            wanted = 1 if self.is_live else limit
            if self._iterator is not None:
                await self._read_async(self._iterator, wanted)
            elif self._plain is not None:
                self._read_plain(self._plain, limit)
        if held:
            batch, self._held = held[:limit], held[limit:]
            return batch
        if self._error is not None:
            raise self._error
        self._finished = True
        return []

    async def close(self) -> None:
        """Close the iterator, if it can be closed."""
        await super().close()
        self._held, self._error = [], None
        iterator, self._iterator = self._iterator, None
        plain, self._plain = self._plain, None
        if iterator is not None and hasattr(iterator, "aclose"):
            await iterator.aclose()
        if plain is not None and hasattr(plain, "close"):
            plain.close()

    async def _read_async(self, iterator: AsyncIterator[Any], wanted: int) -> None:
        try:
            while len(self._held) < wanted:
                self._admit(await anext(iterator))
        except StopAsyncIteration:
            self._is_source_finished = True
        except CancelledError:
            if isasyncgen(iterator):
                self._error = FeedError(
                    f"feed {self.name!r} cannot go on: its async generator was cancelled while it waited for row "
                    f"{self.rows + 1}, which ends a generator. Use an object with __anext__ where reading may be "
                    "cancelled and resumed"
                )
            raise
        except Exception as error:
            self._error = error

    def _read_plain(self, plain: Iterator[Any], wanted: int) -> None:
        try:
            while len(self._held) < wanted:
                self._admit(next(plain))
        except StopIteration:
            self._is_source_finished = True
        except Exception as error:
            self._error = error

    def _admit(self, event: Any) -> None:
        self.rows += 1
        try:
            check_event(event)
        except (InvalidEvent, InvalidName) as error:
            raise type(error)(f"feed {self.name!r}, row {self.rows}: {error}") from error
        self._held.append(event)
