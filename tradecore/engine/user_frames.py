"""User frames: which lines of a traceback are the user's.

Receives: an error that a strategy raised.
Gives:    the place in the user's own code that it came from.
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
