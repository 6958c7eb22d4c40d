"""ControlDesk: what a test may ask of a local venue over plain HTTP, beside the venues' protocols.

Receives: GET /tradecore/clock, /tradecore/status, /tradecore/truth; GET, POST, DELETE /tradecore/faults.
Gives:    the clock for `clock = "venue"`, faults and their counts, and the truth for oracles.
Never:    is refused by a fault: it is how faults are healed.    Issue 4, item 2.

    /tradecore/clock    {"epoch_ns": ..., "rate": 20.0, "now_ns": ...}: the venue's time now is now_ns, and it goes on
                        at rate seconds in one of ours
    /tradecore/faults   POST {"kind": "mute", "for": 5, "topic": "btcusdt@trade"}; DELETE heals all, ?kind= one kind
    /tradecore/truth    ?symbol=BTCUSDT[&from_id=]: [[trade_id, event_ns, price, size, buyer_is_maker], ...]
"""

from __future__ import annotations

from typing import Any, Final

from tradecore.errors import LocalVenueError
from tradecore.testing.local_venue.fault import make_fault
from tradecore.testing.local_venue.fault_plan import describe_fault
from tradecore.testing.local_venue.http_message import HttpAnswer, HttpRequest
from tradecore.testing.local_venue.venue_play import VenuePlay

PREFIX: Final = "/tradecore/"


class ControlDesk:
    """Answers to /tradecore/..."""

    def __init__(self, play: VenuePlay) -> None:
        self._play = play

    def answer(self, request: HttpRequest) -> HttpAnswer | None:
        """The answer; None for any other path."""
        if not request.path.startswith(PREFIX):
            return None
        name = request.path.removeprefix(PREFIX)
        if name == "clock":
            return HttpAnswer.of_json(self._describe_clock())
        if name == "status":
            return HttpAnswer.of_json(self._describe_status())
        if name == "truth":
            return self._tell_truth(request)
        if name == "faults":
            return self._change_faults(request)
        return HttpAnswer.of_json({"error": f"there is no {request.path}; expected clock, status, truth, faults"}, 404)

    def _describe_clock(self) -> dict[str, Any]:
        clock = self._play.clock
        return {"epoch_ns": clock.epoch_ns, "rate": clock.rate, "now_ns": clock.now_ns()}

    def _describe_status(self) -> dict[str, Any]:
        play = self._play
        return {
            "now_ns": play.now_ns(),
            "is_over": play.is_over,
            "pairs": list(play.market.pairs),
            "opened": play.opened,
            "connections": [
                {"number": each.number, "dialect": each.dialect, "path": each.path, "sent": each.sent}
                for each in play.connections.values()
            ],
        }

    def _tell_truth(self, request: HttpRequest) -> HttpAnswer:
        params = request.read_params()
        pair = self._play.get_pair(str(params.get("symbol", "")))
        first = str(params.get("from_id", "0"))
        if pair is None or not first.isdecimal():
            return HttpAnswer.of_json({"error": f"expected symbol= one of {', '.join(self._play.market.pairs)}"}, 400)
        price, size = pair.instrument.prices.text, pair.instrument.sizes.text
        trades = pair.tape.from_id(int(first), len(pair.tape.trades), len(pair.tape.trades))
        return HttpAnswer.of_json(
            [[t.trade_id, t.event_ns, price(t.price), size(t.size), t.buyer_is_maker] for t in trades]
        )

    def _change_faults(self, request: HttpRequest) -> HttpAnswer:
        params = request.read_params()
        if request.method == "POST":
            try:
                self._play.add_fault(make_fault(params))
            except LocalVenueError as error:
                return HttpAnswer.of_json({"error": str(error)}, 400)
        elif request.method == "DELETE":
            self._play.heal(params.get("kind"))
        faults = self._play.faults
        return HttpAnswer.of_json({
            "active": [describe_fault(fault) for fault in faults.list_active()],
            "counts": dict(faults.counts),
            "topics": {f"{kind} {topic}": count for (kind, topic), count in faults.topic_counts.items() if topic},
        })  # fmt: skip
