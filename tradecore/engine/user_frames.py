"""User frames: which lines of a traceback are the user's.

Receives: an error that a strategy raised.
Gives:    the place in the user's own code that it came from; the callback, where several may have been told.
Never:    shows this package's machinery where there is a line of the user's.    STYLE 19.
"""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import Final

_PACKAGE: Final = str(Path(__file__).parent.parent) + os.sep
_EXAMPLES: Final = _PACKAGE + "examples" + os.sep


def is_user_frame(filename: str) -> bool:
    """Whether a traceback's file is the user's (or an example), not this package's machinery."""
    return not filename.startswith(_PACKAGE) or filename.startswith(_EXAMPLES)


def find_place(error: BaseException) -> str:
    """File and line of the user's code that raised: the last frame outside this package."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if is_user_frame(frame.filename)]
    frame = (own or frames)[-1] if frames else None
    return "no traceback" if frame is None else f"{frame.filename}:{frame.lineno} in {frame.name}"


REPORT_CALLBACKS: Final = (
    "on_order_updated", "on_execution", "on_position_changed", "on_opportunity_changed", "on_account_adjusted",
)  # fmt: skip
"""What a report may be told to; any of them may raise."""


def find_report_callback(error: BaseException) -> str:
    """Which of a strategy's callbacks raised while a report was handed out; an observer on the bus may have, too."""
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    return next((name for name in names if name in REPORT_CALLBACKS), "a report")
