"""Builders: events and instruments for tests, naming only what matters to the claim.

Receives: times as "2024-01-01T09:30" (UTC), datetimes, or int nanoseconds; numbers as they read.
Gives:    checked events of the real classes.
Never:    leaves anything to chance: what is not named has one fixed value.    STYLE 22.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from tradecore.domain.bar import Bar
from tradecore.domain.bar_type import BarType
from tradecore.domain.depth_snapshot import DepthSnapshot, Level
from tradecore.domain.event import CROSSED, SIZE_UNKNOWN
from tradecore.domain.instant import check_ns, parse_ns, to_ns
from tradecore.domain.instrument import Instrument, Number, to_decimal
from tradecore.domain.quote_tick import QuoteTick
from tradecore.domain.trade_tick import Aggressor, TradeTick
from tradecore.errors import InvalidTime

Moment = int | str | datetime
"""Int nanoseconds since 1970 UTC, a UTC text such as "2024-01-01T09:30", or an aware UTC datetime."""

DEFAULT_TIME = "2024-01-01T00:00"


def make_ns(moment: Moment) -> int:
    """Int nanoseconds of a moment. A text without a zone is UTC here, and only here: tests are read by people.

    >>> make_ns("1970-01-01T00:01")
    60000000000
    """
    if isinstance(moment, str):
        try:
            naive = datetime.fromisoformat(moment)
        except ValueError:
            return parse_ns(moment)
        return parse_ns(moment) if naive.utcoffset() is not None else to_ns(naive.replace(tzinfo=UTC))
    if isinstance(moment, datetime):
        return to_ns(moment)
    return check_ns(moment)


def make_instrument(
    id: str = "TEST.SIM",  # noqa: A002  (the field's own word)
    *,
    price_increment: Number = "0.01",
    quantity_increment: Number = 1,
    currency: str = "USD",
    base_currency: str | None = None,
    multiplier: Number = 1,
    session: str = "24x7",
) -> Instrument:
    """An instrument priced in cents, traded in whole units, around the clock."""
    return Instrument(
        id=id,
        price_increment=_decimal(price_increment),
        quantity_increment=_decimal(quantity_increment),
        currency=currency,
        base_currency=base_currency,
        multiplier=_decimal(multiplier),
        session=session,
    )


def make_bar(
    at: Moment = DEFAULT_TIME,
    close: float = 100.0,
    *,
    open: float | None = None,  # noqa: A002  (the field's own word)
    high: float | None = None,
    low: float | None = None,
    volume: float | None = 1_000.0,
    bar_type: BarType | str = "TEST.SIM 1m last",
    received: Moment | None = None,
    flags: int = 0,
) -> Bar:
    """A bar that ends `at`. What is not named follows from the close: open = close, high and low around both."""
    first = close if open is None else open
    top = max(first, close) if high is None else high
    bottom = min(first, close) if low is None else low
    if volume is None:
        volume, flags = 0.0, flags | SIZE_UNKNOWN
    ts_event, ts_received = _times(at, received)
    prices = (float(first), float(top), float(bottom), float(close))
    bar = Bar(BarType.parse(bar_type), ts_event, ts_received, *prices, float(volume), flags)
    bar.check()
    return bar


def make_bars(
    closes: Sequence[float],
    *,
    start: Moment = DEFAULT_TIME,
    bar_type: BarType | str = "TEST.SIM 1m last",
    volume: float | None = 1_000.0,
) -> list[Bar]:
    """Bars of these closes, each opening where the one before closed; the first begins at `start`.

    So make_bars([1, 2], start="2024-01-01T00:00") ends bars at 00:01 and 00:02.
    """
    kind = BarType.parse(bar_type)
    if not kind.is_time_based:
        raise InvalidTime(f"{kind} counts ticks, so its bars have no spacing in time; make them one by one")
    first = make_ns(start)
    opens = [closes[0], *closes[:-1]] if closes else []
    return [
        make_bar(first + (n + 1) * kind.step_ns, close, open=open_, volume=volume, bar_type=kind)
        for n, (open_, close) in enumerate(zip(opens, closes, strict=True))
    ]


def make_trade_tick(
    at: Moment = DEFAULT_TIME,
    price: float = 100.0,
    size: float | None = 1.0,
    *,
    aggressor: Aggressor = Aggressor.UNKNOWN,
    trade_id: str | None = None,
    instrument: str = "TEST.SIM",
    received: Moment | None = None,
    flags: int = 0,
) -> TradeTick:
    """A trade of one unit."""
    if size is None:
        size, flags = 0.0, flags | SIZE_UNKNOWN
    ts_event, ts_received = _times(at, received)
    tick = TradeTick(instrument, ts_event, ts_received, float(price), float(size), aggressor, trade_id, flags)
    tick.check()
    return tick


def make_quote_tick(
    at: Moment = DEFAULT_TIME,
    bid: float = 99.99,
    ask: float = 100.01,
    *,
    bid_size: float | None = 10.0,
    ask_size: float | None = 10.0,
    sequence: int = 0,
    instrument: str = "TEST.SIM",
    received: Moment | None = None,
    flags: int = 0,
) -> QuoteTick:
    """A quote one cent either side of 100; a crossed one is flagged."""
    if bid_size is None or ask_size is None:
        bid_size, ask_size, flags = 0.0, 0.0, flags | SIZE_UNKNOWN
    if bid > ask:
        flags |= CROSSED
    ts_event, ts_received = _times(at, received)
    bid_side, ask_side = (float(bid), float(bid_size)), (float(ask), float(ask_size))
    quote = QuoteTick(instrument, ts_event, ts_received, *bid_side, *ask_side, sequence, flags)
    quote.check()
    return quote


def make_depth(
    at: Moment = DEFAULT_TIME,
    bids: Sequence[Level] = ((99.99, 10.0),),
    asks: Sequence[Level] = ((100.01, 10.0),),
    *,
    sequence: int = 0,
    instrument: str = "TEST.SIM",
    received: Moment | None = None,
    flags: int = 0,
) -> DepthSnapshot:
    """A book of one level a side; a crossed one is flagged."""
    if bids and asks and bids[0][0] > asks[0][0]:
        flags |= CROSSED
    ts_event, ts_received = _times(at, received)
    sides = [tuple((float(price), float(size)) for price, size in levels) for levels in (bids, asks)]
    depth = DepthSnapshot(instrument, ts_event, ts_received, sides[0], sides[1], sequence, flags)
    depth.check()
    return depth


def _times(at: Moment, received: Moment | None) -> tuple[int, int]:
    ts_event = make_ns(at)
    return ts_event, ts_event if received is None else make_ns(received)


def _decimal(value: Number) -> Decimal:
    return to_decimal(value, "an instrument's number")
