"""Settings check: what in the settings of a simulated broker contradicts the rest, as sentences.

Receives: settings whose types are right.
Gives:    one sentence per mistake, all at once; a configuration adds file and line.    EXECUTION 6, 9.
"""

from __future__ import annotations

from decimal import Decimal

from tradecore.brokerage.settings import BasisPointSlippage, DepthSlippage, SimulatedBrokerSettings, Slippage


def list_settings_mistakes(settings: SimulatedBrokerSettings) -> list[str]:
    """Mistakes, in the order of the settings; an empty list when there is none."""
    mistakes: list[str] = []
    if not settings.cash:
        mistakes.append("cash is empty; expected at least one currency, for example cash = { USD = 100000 }")
    mistakes += [
        f"cash of {currency} is {amount}; expected a finite amount of at least 0"
        for currency, amount in settings.cash.items()
        if not amount.is_finite() or amount < 0
    ]
    if not settings.initial_margin.is_finite() or settings.initial_margin <= 0:
        mistakes.append(f"initial_margin is {settings.initial_margin}; expected a fraction above 0 (0.5 = half)")
    kept = settings.maintenance_margin
    if kept is not None and not (kept.is_finite() and 0 < kept <= settings.initial_margin):
        mistakes.append(
            f"maintenance_margin is {kept}; expected above 0 and at most initial_margin, which is "
            f"{settings.initial_margin}: what may be opened must not be closed at once"
        )
    if not _is_amount(settings.borrow_rate):
        mistakes.append(f"borrow_rate is {settings.borrow_rate}; expected at least 0, a fraction per year (0.03 = 3 %)")
    if settings.account == "cash":
        mistakes += [
            f"{name} is set, and a cash account neither owes nor is short; take it out, or set account = margin"
            for name, is_set in (
                ("maintenance_margin", kept is not None),
                ("on_breach", settings.on_breach != "close"),
                ("borrow_rate", settings.borrow_rate != 0),
            )
            if is_set
        ]
    if not settings.participation.is_finite() or not 0 < settings.participation <= 1:
        mistakes.append(f"participation is {settings.participation}; expected a part of the volume, 0 < p <= 1")
    if not settings.open_grace.is_finite() or not 0 <= settings.open_grace < 1:
        mistakes.append(f"open_grace is {settings.open_grace}; expected a part of a bar's step, 0 <= g < 1")
    mistakes += _list_slippage_mistakes(settings.slippage)
    mistakes += [
        f"spread of {name} is {spread}; expected at least 0, in units of its price"
        for name, spread in settings.spread.items()
        if not _is_amount(spread)
    ]
    latency = settings.latency
    if settings.bar_fill == "same_close":
        delayed = [leg for leg in ("submit", "cancel", "update", "report") if not getattr(latency, leg).is_zero]
        if delayed:
            mistakes.append(
                f"bar_fill is same_close, but latency.{delayed[0]} is not 0; an order that takes time cannot have the "
                "close that it was decided on. Use bar_fill = next_open, or set all latencies to 0"
            )
    return mistakes


def _list_slippage_mistakes(slippage: Slippage) -> list[str]:
    if not isinstance(slippage, DepthSlippage):
        slip = slippage.basis_points if isinstance(slippage, BasisPointSlippage) else slippage.ticks
        return [] if _is_amount(slip) else [f"slippage is {slip}; expected at least 0: a taker cannot gain by it"]
    mistakes = [
        f"{name} of slippage is {value}; expected above 0"
        for name, value in (("level_size", slippage.level_size), ("level_ticks", slippage.level_ticks))
        if not value.is_finite() or value <= 0
    ]
    if not slippage.jitter.is_finite() or not 0 <= slippage.jitter < 1:
        mistakes.append(f"jitter of slippage is {slippage.jitter}; expected 0 <= jitter < 1")
    return mistakes


def _is_amount(value: Decimal) -> bool:
    return value.is_finite() and value >= 0
