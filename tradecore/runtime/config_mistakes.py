"""ConfigMistake: one thing wrong with a configuration, with its place, the nearest right name and what to type.

Receives: facts from who found the mistake.
Gives:    values that print as one line; a log that collects them all, so that none hides another.
Never:    raises at the first mistake.    RELIABILITY 47; DESIGN 13.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tradecore.runtime.config_source import ConfigSource
from tradecore.runtime.toml_places import KeyPath, format_key_path

UNREADABLE: Final = "TC-CFG-001"
SYNTAX: Final = "TC-CFG-002"
OVERRIDE: Final = "TC-CFG-003"
NOT_AVAILABLE: Final = "TC-CFG-004"
MISSING_KEY: Final = "TC-CFG-010"
WRONG_TYPE: Final = "TC-CFG-011"
UNKNOWN_KEY: Final = "TC-CFG-012"
OUT_OF_RANGE: Final = "TC-CFG-013"
UNKNOWN_WORD: Final = "TC-CFG-014"
NOT_A_NUMBER: Final = "TC-CFG-015"
NO_OFFSET: Final = "TC-CFG-016"
BAD_NAME: Final = "TC-CFG-017"
DUPLICATE: Final = "TC-CFG-018"
UNKNOWN_NAME: Final = "TC-CFG-020"
STRATEGY_IMPORT: Final = "TC-CFG-021"
STRATEGY_PARAMS: Final = "TC-CFG-022"
CONTRADICTION: Final = "TC-CFG-023"
"""Codes are stable: tools and documentation may name them."""


class ConfigMistake(msgspec.Struct, frozen=True, kw_only=True):
    """One mistake. source: file as the user typed it, or "--set key=value"; line and column count from 1.

    key: the key path as written, such as brokers.sim.latency. met, expected: in words, where there are any. nearest:
    the right name that is nearest to what was met. help: what to type next.
    """

    code: str
    source: str
    line: int | None
    column: int | None
    key: str
    problem: str
    met: str | None = None
    expected: str | None = None
    nearest: str | None = None
    help: str

    @property
    def place(self) -> str:
        """Source with line and column, as editors and terminals link it."""
        return self.source if self.line is None else f"{self.source}:{self.line}:{self.column}"

    @property
    def message(self) -> str:
        """The mistake without its code, place and help."""
        text = f"{self.key}: {self.problem}" if self.key else self.problem
        if self.met is not None:
            text += f", met {self.met}"
        if self.expected is not None:
            text += f", expected {self.expected}"
        if self.nearest is not None:
            text += f' (did you mean "{self.nearest}"?)'
        return text

    def __str__(self) -> str:
        return f"error[{self.code}] {self.place} {self.message}  help: {self.help}"


class MistakeLog:
    """Collects the mistakes found in one source; each gets its place from the source."""

    def __init__(self, source: ConfigSource) -> None:
        self.source = source
        self._found: list[ConfigMistake] = []

    def add(
        self,
        code: str,
        path: KeyPath,
        problem: str,
        *,
        help_: str,
        met: str | None = None,
        expected: str | None = None,
        nearest: str | None = None,
    ) -> None:
        """Note a mistake at a key path; its place is that of the key, or of the nearest table around it."""
        name, place = self.source.locate(path)
        self._found.append(
            ConfigMistake(
                code=code,
                source=name,
                line=place.line if place else None,
                column=place.column if place else None,
                key=format_key_path(path),
                problem=problem,
                met=met,
                expected=expected,
                nearest=nearest,
                help=help_,
            )
        )

    @property
    def found(self) -> list[ConfigMistake]:
        """All mistakes: those of the file by line, then those of overrides as given; each said once."""
        unique = dict.fromkeys(self._found)
        return sorted(unique, key=lambda m: (m.line is None, m.line or 0, m.column or 0))

    def __len__(self) -> int:
        return len(self._found)
