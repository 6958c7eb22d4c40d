"""The right name that is nearest to a mistyped one.

Receives: a word and the right words.
Gives:    the right word that was most likely meant, or None.
Never:    imports anything: the command line asks it before it knows what it will need.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher


def find_nearest(word: str, right_words: Iterable[str]) -> str | None:
    """The right word that a mistyped one most likely stands for, or None when nothing is near.

    Near is one slip of the finger (a letter more, less, other, or two swapped), or a likeness of 0.6 and above, so that
    "commision_rate" finds "commission". Ties go by likeness, then by the alphabet.
    """
    best: tuple[int, float, str] | None = None
    folded = word.casefold()
    for right in right_words:
        slips = _count_slips(folded, right.casefold())
        likeness = SequenceMatcher(None, folded, right.casefold()).ratio()
        if slips > 1 and likeness < 0.6:
            continue
        candidate = (slips, -likeness, right)
        if best is None or candidate < best:
            best = candidate
    return best[2] if best else None


def _count_slips(a: str, b: str) -> int:
    """Insertions, deletions, replacements and swaps of neighbours that turn a into b (optimal string alignment)."""
    before_last: list[int] = []
    last = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before_last[j - 2] + 1)
            row.append(cost)
        before_last, last = last, row
    return last[-1]
