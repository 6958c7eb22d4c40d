"""MatchSource: which series an instrument's orders are matched against, chosen once.

Receives: the series that a run reads, the words of `match_on` and `spread`.
Gives:    one MatchSource per instrument, or a sentence that says why there is none.
Never:    chooses bars of mid prices or bars made by the run: they are opinions, not offers.    EXECUTION 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from tradecore.domain.bar_type import BarType

MATCH_WORDS: Final = ("depth", "quote", "trade", "bar_bid_ask", "bar", "trade_queue")
"""Words of match_on, in the order of preference. "trade_queue" is not chosen unless it is asked for: it needs depth or
quotes beside the trades, and subscribing to more data must not change an execution.
"""

_KIND_OF: Final = {
    "depth": "depth",
    "quote": "quote_tick",
    "trade": "trade_tick",
    "trade_queue": "trade_tick",
    "bar": "bar",
    "bar_bid_ask": "bar",
}


class Candidate(msgspec.Struct, frozen=True):
    """A series that could be matched. kind: "bar", "trade_tick" ...; name: bar type's name or instrument id."""

    kind: str
    name: str


class MatchSource(msgspec.Struct, frozen=True):
    """The chosen one. word: of MATCH_WORDS. names: one series, or (bid, ask). step_ns: of bars. side: "last", "both",
    "bid", "ask"; for one side alone the spread (price units) makes the other. beside: kind of the series that says how
    much stands before our orders in the queue, "depth" or "quote_tick".
    """

    word: str
    names: tuple[str, ...]
    step_ns: int = 0
    side: str = "last"
    spread: Decimal = Decimal(0)
    beside: str = ""

    @property
    def series(self) -> list[tuple[str, str]]:
        """Kind and name of every series that is matched."""
        listed = [(self.kind, name) for name in self.names]
        return [*listed, (self.beside, self.names[0])] if self.beside else listed

    @property
    def kind(self) -> str:
        """Kind of its series."""
        return _KIND_OF[self.word]

    @property
    def description(self) -> str:
        """For run.json: "bar IBM.NYSE 1d last"."""
        text = f"{self.word} {' + '.join(self.names)}"
        if self.beside:
            text += f" with the queue from {self.beside}"
        return f"{text} with a spread of {self.spread}" if self.spread else text


def choose_match_source(
    candidates: Sequence[Candidate], wanted: str | None, spread: Decimal | None
) -> MatchSource | str:
    """The source by EXECUTION 3, or the reason why there is none. wanted: the word of match_on, None to choose."""
    if wanted is not None and wanted not in MATCH_WORDS:
        return f"match_on is {wanted!r}; expected one of {', '.join(MATCH_WORDS)}"
    for word in MATCH_WORDS[:-1] if wanted is None else (wanted,):
        found = _CHOOSERS[word](candidates, spread or Decimal(0))
        if found is not None:
            return found
    one_side = _find_one_side(candidates, spread)
    if isinstance(one_side, MatchSource) and wanted in (None, "bar", "bar_bid_ask"):
        return one_side
    read = ", ".join(f"{c.kind} {c.name}" for c in candidates) or "nothing"
    if wanted is not None:
        needed = "; it needs trades, and depth or quotes beside them" if wanted == "trade_queue" else ""
        return f"match_on is {wanted!r}, but the run reads only {read}{needed}"
    if one_side is not None:
        return (
            f"only one side's bars are read ({one_side}); they need a spread: set `spread` of this instrument, or read "
            "the other side's bars too"
        )
    return f"nothing that is read can be matched ({read}); depth, quotes, trades, last bars, or bid and ask bars can"


def _find_depth(candidates: Sequence[Candidate], spread: Decimal) -> MatchSource | None:
    return next((MatchSource("depth", (c.name,)) for c in candidates if c.kind == "depth"), None)


def _find_quote(candidates: Sequence[Candidate], spread: Decimal) -> MatchSource | None:
    return next((MatchSource("quote", (c.name,)) for c in candidates if c.kind == "quote_tick"), None)


def _find_trade(candidates: Sequence[Candidate], spread: Decimal) -> MatchSource | None:
    return next((MatchSource("trade", (c.name,), spread=spread) for c in candidates if c.kind == "trade_tick"), None)


def _find_queue(candidates: Sequence[Candidate], spread: Decimal) -> MatchSource | None:
    kinds = {c.kind for c in candidates}
    beside = next((kind for kind in ("depth", "quote_tick") if kind in kinds), None)
    trade = _find_trade(candidates, spread)
    if trade is None or beside is None:
        return None
    return MatchSource("trade_queue", trade.names, spread=spread, beside=beside)


def _find_pair(candidates: Sequence[Candidate], spread: Decimal) -> MatchSource | None:
    asks = {(bar.step_ns, bar.count): bar for bar in _bars(candidates, "ask")}
    for bid in _bars(candidates, "bid"):
        ask = asks.get((bid.step_ns, bid.count))
        if ask is not None and bid.step_ns:  # bars of ticks of two sides do not end together
            return MatchSource("bar_bid_ask", (bid.name, ask.name), bid.step_ns, "both")
    return None


def _find_last(candidates: Sequence[Candidate], spread: Decimal) -> MatchSource | None:
    return next(
        (MatchSource("bar", (bar.name,), bar.step_ns, spread=spread) for bar in _bars(candidates, "last")), None
    )


def _find_one_side(candidates: Sequence[Candidate], spread: Decimal | None) -> MatchSource | str | None:
    """One side's bars with a spread; their name where no spread is set."""
    bars = [*_bars(candidates, "bid"), *_bars(candidates, "ask")]
    if not bars:
        return None
    if spread is None:
        return bars[0].name
    return MatchSource("bar", (bars[0].name,), bars[0].step_ns, bars[0].price, spread)


def _bars(candidates: Sequence[Candidate], price: str) -> list[BarType]:
    """Bar types of one price, the smallest timeframe first; bars of ticks have none and come last."""
    found = [BarType.parse(c.name) for c in candidates if c.kind == "bar"]
    return sorted(
        (bar for bar in found if bar.price == price), key=lambda bar: (not bar.step_ns, bar.step_ns, bar.count)
    )


_CHOOSERS: Final[dict[str, Callable[[Sequence[Candidate], Decimal], MatchSource | None]]] = {
    "depth": _find_depth,
    "quote": _find_quote,
    "trade": _find_trade,
    "trade_queue": _find_queue,
    "bar_bid_ask": _find_pair,
    "bar": _find_last,
}
