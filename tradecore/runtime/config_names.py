"""Names in a configuration: of runs, strategies and brokers, and of the instruments they refer to.

Receives: a name and where it was written.
Gives:    a mistake in the log where it cannot be used or nothing has it.
Never:    decides which instruments exist (config_checks.py does).    DESIGN 13.
"""

from __future__ import annotations

import re
from typing import Final

from tradecore.domain.instrument import check_instrument_id
from tradecore.errors import InvalidName
from tradecore.runtime.config_mistakes import BAD_NAME, UNKNOWN_NAME, MistakeLog
from tradecore.runtime.config_scalars import describe
from tradecore.runtime.nearest_name import find_nearest
from tradecore.runtime.toml_places import KeyPath, format_last_key

_NAME: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$")


def check_known_instrument(instrument: str, known: list[str] | None, path: KeyPath, log: MistakeLog) -> None:
    """An instrument that is known. known: None when that cannot be said here."""
    if known is None or instrument in known:
        return
    log.add(
        UNKNOWN_NAME,
        path,
        "no such instrument",
        met=describe(instrument),
        expected=f"one of {', '.join(known)}",
        nearest=find_nearest(instrument, known),
        help_=f'correct the id, or add an [[instruments]] table with id = "{instrument}"',
    )


def is_instrument_id(text: str, path: KeyPath, log: MistakeLog) -> bool:
    """Whether a text reads as an instrument id."""
    try:
        check_instrument_id(text)
    except InvalidName as error:
        log.add(BAD_NAME, path, str(error), help_=f'write {format_last_key(path)} = "IBM.NYSE"')
        return False
    return True


def check_name(name: str, path: KeyPath, log: MistakeLog) -> None:
    """A name becomes a folder or the beginning of ids, so it has letters, digits and - _ . only."""
    if not _NAME.match(name):
        clean = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")[:80] or "my-run"
        help_ = f'write {format_last_key(path)} = "{clean}"'
        log.add(BAD_NAME, path, "a name has letters, digits and - _ . only", met=describe(name), help_=help_)
