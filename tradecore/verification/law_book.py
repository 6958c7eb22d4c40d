"""LawBook: the laws by name, how often each was checked, and where it was broken.

Receives: counts and findings from the modules that check.
Gives:    a row per law; findings that name law, file and line.
Never:    calls a law kept that nothing in the run has met; keeps more than a screen of findings per law.

Names are those of RELIABILITY 3 (O, B, C, S, T), with F for files, E for sections of EXECUTION, I for increments and
R for reports.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

LAWS: Final = {
    "F1": "every file is there, whole, with the lines and bytes that run.json notes",
    "F2": "every file has the SHA-256 that run.json notes, the digest of the run is made of them, fingerprints fit",
    "F3": "every line is one whole record of its kind",
    "F4": "run.json counts as many orders and executions as the files hold, and no order id is left out",
    "O1": "order states move only as the table of states allows",
    "O3": "an execution after CANCELLED or EXPIRED raises what is executed and revives nothing",
    "O4": "0 <= executed <= quantity, never falling, and the state says the same",
    "O5": "what an order says is executed is the sum of its executions, its average their exact mean",
    "O6": "an order that is refused says why; an execution belongs to an order that shows it",
    "O7": "an order id means one intent for ever; executions of an order are numbered without gap or repeat",
    "T3": "times never go back: of an order, of a ledger, of callbacks; all lie between the run's start and end",
    "S1": "nothing happens to an order before submission + latency; no command acts, no report is heard before its own",
    "S2": "no execution is worse than its limit, and makers get exactly their limit",
    "S6": "orders of a broker take effect in the order in which they were submitted",
    "I1": "prices and quantities lie on the instrument's increments",
    "E3": "an execution is matched on the one source that run.json names",
    "E7": "IOC, FOK, GTD, post_only, reduce_only and liquidity mean what they say",
    "E9": "commission is what the broker's table says; a cash account holds no short and spends what it has",
    "C1": "OCO: after the first execution of one order the others execute no more",
    "C2": "OUO: together the exits never execute more than there is to exit",
    "C3": "a child exists from its parent's first execution, and never exceeds what the parent executed",
    "C4": "children of a parent that ended partly executed are no larger than that part",
    "C5": "a parent that ended unexecuted has no children at the venue",
    "B1": "positions are the signed sums of executions",
    "B2": "cash is the initial cash and what executions paid and received, to the last digit",
    "B3": "equity is capital + realised + open - commission, and parts add up to the whole",
    "B4": "what is flat has no open profit",
    "B5": "capital is that of the accounts used, each counted once",
    "B6": "statistics are those recomputed from the executions",
    "R1": "a strategy hears its executions in order, each once, as they were made",
}
"""Each law in one sentence, in the order of the report."""

SHOWN_MAX: Final = 20
"""Findings kept of each law; the rest is counted. One edited line can break a law at every line after it."""

UNTOLD: Final = (
    ("sharpe, sortino, volatility, daily returns", "they need equity once a day, and the folder has no marks"),
    ("max_drawdown", "between executions it needs marks; checked from below only, where a lone ledger was flat"),
    ("open_profit of what is held", "it rests on the last mark, which the folder does not have"),
    ("prices against the market, stops against their trigger", "market prices are in the store, not in the folder"),
    ("S3 participation, S4, S5", "market volumes and times are in the store, not in the folder"),
    ("two orders never execute from the same displayed size", "executions do not say which event they met"),
    ("maintenance margin, buying power", "they need prices at the moment of each order"),
)  # fmt: skip
"""What a run folder cannot show, and why."""


class Finding(NamedTuple):
    """One place where a law is broken. line: from 1, None where the whole file is meant."""

    law: str
    file: str
    line: int | None
    message: str

    @property
    def place(self) -> str:
        """As editors jump to it."""
        return self.file if self.line is None else f"{self.file}:{self.line}"


class LawBook:
    """The tally of one verification. checked: by law, counted by whoever checks."""

    def __init__(self) -> None:
        self.checked: Counter[str] = Counter()
        self.broken: Counter[str] = Counter()
        self.left_out: Counter[tuple[str, str]] = Counter()
        self.findings: list[Finding] = []

    def report(self, law: str, file: str, line: int | None, message: str) -> None:
        """A law is broken here."""
        assert law in LAWS, law
        self.broken[law] += 1
        if self.broken[law] <= SHOWN_MAX:
            self.findings.append(Finding(law, file, line, message))

    def leave_out(self, law: str, reason: str, count: int = 1) -> None:
        """A law could not be applied, for this reason."""
        assert law in LAWS, law
        self.left_out[law, reason] += count
