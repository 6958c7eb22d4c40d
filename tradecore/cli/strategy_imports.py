"""Where strategies are imported from: the folder of the configuration, and the current one.

Receives: the path of a configuration.
Gives:    both folders on sys.path, as Python itself does for a script.
Never:    is done by the library: what may be imported is for the program to say that embeds it.
"""

from __future__ import annotations

import sys
from pathlib import Path


def allow_imports_beside(config: Path) -> None:
    """Put the folder of the configuration first, then the current folder, on the path of imports."""
    for folder in (Path.cwd(), config.resolve().parent):
        text = str(folder)
        if text in sys.path:
            sys.path.remove(text)
        sys.path.insert(0, text)
