"""Statistics laws: statistics.json, recomputed from the executions (B3 to B6).

Receives: the ledgers of all executions; statistics.json; the terms of the run.
Gives:    findings that name figure, what is stated and what the executions make.
Never:    guesses a mark: profit of what is held is taken as stated, and the rest must fit it.    EXECUTION 10.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from math import isclose
from typing import Any, Final, NamedTuple

from tradecore.verification.exact_number import STEP, ZERO, parse_number
from tradecore.verification.law_book import LawBook
from tradecore.verification.money_laws import LedgerKey
from tradecore.verification.run_files import STATISTICS_FILE
from tradecore.verification.run_terms import RunTerms, parse_time
from tradecore.verification.trade_ledger import SideSums, TradeLedger, add_sums

YEAR_NS: Final = 1_461 * 86_400 * 10**9 // 4
"""365.25 days."""

_CLOSE: Final = 1e-9
"""Floats are compared to this part of their size: the last few bits depend on the order of operations."""


class View(NamedTuple):
    """A ledger, and which of its sides count."""

    key: LedgerKey
    ledger: TradeLedger
    has_long: bool = True
    has_short: bool = True

    @property
    def sides(self) -> list[bool]:
        """Sides that count; True is long."""
        return [is_long for is_long, has in ((True, self.has_long), (False, self.has_short)) if has]

    @property
    def is_open(self) -> bool:
        """Whether something is held on a side that counts."""
        return (self.ledger.quantity > 0) in self.sides if self.ledger.quantity else False


class StatisticsLaws:
    """Checks statistics.json. Figures of an instrument without terms in run.json are left out."""

    def __init__(self, ledgers: dict[LedgerKey, TradeLedger], terms: RunTerms, book: LawBook) -> None:
        self._views = [View(key, ledger) for key, ledger in sorted(ledgers.items())]
        self._terms, self._book = terms, book
        self._period_ns = 0
        self._end_ns = 0
        self._capital = ZERO
        self._currency = ""

    def check(self, statistics: dict[str, Any]) -> None:
        """The whole file."""
        traded = {view.key[3] for view in self._views if not view.ledger.is_money}
        unknown = sorted(traded - set(self._terms.instruments))
        if unknown:
            self._book.leave_out("B6", f"run.json has no multiplier of {', '.join(unknown)}")
            return
        strategies = _dict(statistics.get("strategies"))
        self._check_whole("all", _dict(statistics.get("all")), self._views)
        for name, stated in strategies.items():
            self._check_whole(name, _dict(stated), [view for view in self._views if view.key[0] == name])
        missing = {view.key[0] for view in self._views} - set(strategies)
        if missing:
            self._say("B6", f"has no strategies.{min(missing)}, which executed")

    # ------------------------------------------------------------------------------------------------- whole figures

    def _check_whole(self, name: str, stated: dict[str, Any], views: list[View]) -> None:
        """The figures of all, or of one strategy, and of their parts."""
        where = name if name == "all" else f"strategies.{name}"
        self._check_capital(where, stated, None if name == "all" else name)
        instruments = self._terms.instruments
        named = {view.key[3]: view.ledger.is_money for view in views}
        foreign = {name if is_money else instruments[name].currency for name, is_money in named.items()}
        foreign -= {self._currency}
        if foreign or any(view.ledger.is_converted for view in views):
            self._book.leave_out(
                "B6", "figures in several currencies are converted at rates that are not all in the files"
            )
            return
        self._check_period(where, stated, views)
        self._check_part(where, stated, views)
        self._check_growth(where, stated, views)
        for word, part in _dict(stated.get("by_direction")).items():
            is_long = word == "long"
            narrow = [view._replace(has_long=is_long, has_short=not is_long) for view in views]
            self._check_part(f"{where}.by_direction.{word}", _dict(part), narrow)
        for word, place in (("strategy", 0), ("source", 2), ("instrument", 3)):
            parts = _dict(stated.get(f"by_{word}"))
            for key in sorted({view.key[place] for view in views} | set(parts)):
                chosen = [view for view in views if view.key[place] == key]
                self._check_part(f"{where}.by_{word}.{key}", _dict(parts.get(key)), chosen)
        self._check_sums(where, stated)

    def _check_capital(self, where: str, stated: dict[str, Any], strategy: str | None) -> None:
        """Capital of the accounts: a strategy's own, and others once something executed there."""
        terms, expected = self._terms, {}
        for name, broker in terms.broker_of.items():
            own = terms.brokers.get(broker)
            if strategy not in (None, name) or own is None:
                continue
            used = {view.key[1] for view in self._views if view.key[0] == name}
            for account, one in terms.brokers.items():
                if account == broker or (account in used and own.currency in one.cash):
                    expected[account] = one.cash[own.currency]
        accounts = {key: self._number(where, "accounts", value) for key, value in _dict(stated.get("accounts")).items()}
        currencies = {own.currency for name in expected if (own := terms.brokers.get(name)) is not None}
        self._currency = str(stated.get("currency"))
        self._book.checked["B5"] += 1
        if currencies and self._currency not in currencies:
            self._say(
                "B5", f"{where}.currency is {self._currency}; its accounts are in {', '.join(sorted(currencies))}"
            )
            self._currency = min(currencies)
        self._book.checked["B5"] += 1
        if terms.brokers and accounts != expected:
            self._say(
                "B5", f"{where}.accounts is {_show(accounts)}; run.json and the executions make {_show(expected)}"
            )
        self._capital = ZERO
        for capital in expected.values() if terms.brokers else accounts.values():
            self._capital += capital or ZERO
        self._compare("B5", where, "initial_capital", stated, self._capital, ZERO)

    def _check_period(self, where: str, stated: dict[str, Any], views: list[View]) -> None:
        if stated.get("start") is None or stated.get("end") is None:
            self._book.leave_out("B6", "the run ended before anything happened")
            self._end_ns = self._period_ns = 0
            return
        times: dict[str, int] = {}
        for word, noted in (("start", self._terms.start_ns), ("end", self._terms.ended_ns)):
            try:
                times[word] = parse_time(stated.get(word))
            except ValueError as error:
                self._say("B6", f"{where}.{word}: {error}")
                times[word] = noted or 0
            if noted is not None:
                self._book.checked["B6"] += 1
                if times[word] != noted:
                    self._say("B6", f"{where}.{word} is {stated.get(word)}; run.json says another time")
        self._end_ns, self._period_ns = times["end"], times["end"] - times["start"]
        self._compare("B6", where, "years", stated, max(self._period_ns, 0) / YEAR_NS)

    def _check_growth(self, where: str, stated: dict[str, Any], views: list[View]) -> None:
        """Figures that follow from the end alone."""
        profit = self._number(where, "net_profit", stated.get("net_profit"))
        if profit is None:
            return
        final = self._capital + profit
        self._compare("B3", where, "final_equity", stated, final, ZERO)
        years, growth = max(self._period_ns, 0) / YEAR_NS, None
        if self._capital > 0 and final > 0 and years > 0:
            try:
                growth = _ratio(final, self._capital) ** (1 / years) - 1
            except OverflowError:
                growth = None
        self._compare("B6", where, "cagr", stated, growth)
        fall, fraction = stated.get("max_drawdown"), stated.get("max_drawdown_fraction")
        if isinstance(fraction, float) and fraction and growth is not None:
            self._compare("B6", where, "calmar", stated, growth / fraction)
        if isinstance(fall, float) and len(views) == 1:
            ledger = views[0].ledger
            least = float(max(ledger.deepest, ledger.peak - profit))
            self._book.checked["B6"] += 1
            if fall < least - abs(least) * _CLOSE:
                self._say("B6", f"{where}.max_drawdown is {fall}; while flat alone it fell by {least}")

    # ------------------------------------------------------------------------------------------------ figures of parts

    def _check_part(self, where: str, stated: dict[str, Any], views: list[View]) -> None:
        """Figures that the whole and its parts have alike."""
        sums = add_sums(view.ledger.compute_sums(is_long=is_long) for view in views for is_long in view.sides)
        both = add_sums(view.ledger.both for view in views if view.has_long and view.has_short)
        for name in ("realised", "commission", "turnover", "gross_profit", "gross_loss"):
            word = "realised_profit" if name == "realised" else name
            self._compare("B6", where, word, stated, getattr(sums, name), ZERO if name == "turnover" else sums.slack)
        for name, value in (("slippage", sums.slippage), ("best_trade", sums.best), ("worst_trade", sums.worst)):
            if name in stated:  # of the whole only
                self._compare("B6", where, name, stated, value, sums.slack)
        counts = {"buys": sums.buys - both.buys, "sells": sums.sells - both.sells}
        counts |= {"makers": sums.makers - both.makers, "takers": sums.takers - both.takers}
        counts |= {"executions": counts["buys"] + counts["sells"], "trades": sums.trades}
        counts["trades_open"] = len([view for view in views if view.is_open])
        for name, count in counts.items():
            self._compare("B6", where, name, stated, count)
        self._check_trades(where, stated, sums)
        self._check_profit(where, stated, views, sums)
        held = _measure(
            stretch for view in views for is_long in view.sides for stretch in self._stretches(view, is_long)
        )
        self._compare("B6", where, "exposure", stated, held / self._period_ns if self._period_ns > 0 else None)

    def _check_trades(self, where: str, stated: dict[str, Any], sums: SideSums) -> None:
        trades = sums.trades
        if sums.trades_unsure:
            reason = "a trade's profit is so near 0 that rounding its commission decides whether it was won"
            self._book.leave_out("B6", reason, sums.trades_unsure)
        else:
            self._compare("B6", where, "trades_won", stated, sums.trades_won)
            self._compare("B6", where, "trades_lost", stated, sums.trades_lost)
            self._compare("B6", where, "win_rate", stated, sums.trades_won / trades if trades else None)
        loss = -sums.gross_loss
        self._compare("B6", where, "profit_factor", stated, _ratio(sums.gross_profit, loss) if loss else None)
        mean = _ratio(sums.gross_profit - loss, Decimal(trades)) if trades else None
        self._compare("B6", where, "expectancy", stated, mean)
        if "average_holding_ns" in stated:
            self._compare("B6", where, "average_holding_ns", stated, sums.held_ns // trades if trades else None)

    def _check_profit(self, where: str, stated: dict[str, Any], views: list[View], sums: SideSums) -> None:
        opened = self._number(where, "open_profit", stated.get("open_profit"))
        if not any(view.is_open for view in views):
            self._compare("B4", where, "open_profit", stated, ZERO, ZERO)
            opened = ZERO
        if opened is None:
            return
        net = sums.realised - sums.commission + opened
        self._compare("B3", where, "net_profit", stated, net, sums.slack)
        self._compare("B6", where, "total_return", stated, _ratio(net, self._capital) if self._capital > 0 else None)

    def _check_sums(self, where: str, stated: dict[str, Any]) -> None:
        """Profits of the parts add up to the whole, the open ones too."""
        for word in ("by_direction", "by_source", "by_instrument", "by_strategy"):
            for name in ("net_profit", "open_profit"):
                total = ZERO
                for part in _dict(stated.get(word)).values():
                    total += self._number(f"{where}.{word}", name, _dict(part).get(name)) or ZERO
                self._book.checked["B3"] += 1
                whole = self._number(where, name, stated.get(name)) or ZERO
                if abs(total - whole) > STEP:
                    self._say("B3", f"{where}.{name} is {whole}; the parts {word} add up to {total}")

    def _stretches(self, view: View, is_long: bool) -> Iterable[tuple[int, int]]:
        starts, ends = view.ledger.starts[is_long], view.ledger.ends[is_long]
        return zip(starts, [*ends, *([self._end_ns] * (len(starts) - len(ends)))], strict=True)

    # -------------------------------------------------------------------------------------------------------- compare

    def _compare(
        self, law: str, where: str, name: str, stated: dict[str, Any], expected: Any, slack: Decimal | None = None
    ) -> None:
        """One figure. slack: of money, None for floats and counts."""
        self._book.checked[law] += 1
        met = stated.get(name)
        if slack is not None:
            number = None if met is None else self._number(where, name, met)
            same = number is expected is None or (
                number is not None and expected is not None and abs(number - expected) <= slack
            )
        elif isinstance(expected, float):
            same = isinstance(met, int | float) and isclose(met, expected, rel_tol=_CLOSE, abs_tol=1e-12)
        else:
            same = met == expected
        if not same:
            self._say(law, f"{where}.{name} is {met}; the executions make {expected}")

    def _number(self, where: str, name: str, text: Any) -> Decimal | None:
        try:
            return parse_number(text, name)
        except ValueError as error:
            self._say("F3", f"{where}: {error}")
            return None

    def _say(self, law: str, message: str) -> None:
        self._book.report(law, STATISTICS_FILE, None, message)


def _ratio(part: Decimal, whole: Decimal) -> float:
    numerator, denominator = part.as_integer_ratio(), whole.as_integer_ratio()
    return (numerator[0] * denominator[1]) / (numerator[1] * denominator[0])


def _measure(stretches: Iterable[tuple[int, int]]) -> int:
    """Length of the union of stretches of time, ns."""
    total, reached = 0, None
    for start, end in sorted(stretches):
        if reached is None or start > reached:
            total, reached = total + max(end - start, 0), max(start, end)
        elif end > reached:
            total, reached = total + end - reached, end
    return total


def _show(accounts: Mapping[str, Decimal | None]) -> str:
    return ", ".join(f"{name} {capital}" for name, capital in sorted(accounts.items())) or "empty"


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
