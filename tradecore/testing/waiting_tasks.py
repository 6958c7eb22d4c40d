"""Which tasks there are, and where in the code each of them waits: the text of a deadlock's report.

Receives: tasks of one loop.
Gives:    a line a task: its name, the innermost line of the user's code and, if another, the library's line below it.
Never:    depends on addresses or on the order of a set: tasks are listed in the order in which they were made.
"""

from __future__ import annotations

import asyncio
import sysconfig
from collections.abc import Iterable
from pathlib import PurePath
from types import FrameType
from typing import Any

# Files below these folders are libraries: the line that a reader can change is further out.
_LIBRARY_FOLDERS = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))


def describe_tasks(tasks: Iterable[asyncio.Task[Any]]) -> list[str]:
    """One line for each task that is not done, in the order given."""
    return [_describe_task(task) for task in tasks if not task.done()]


def _describe_task(task: asyncio.Task[Any]) -> str:
    frames = _await_chain(task.get_coro())
    if not frames:
        return f"{task.get_name()!r} has not started"
    own = [frame for frame in frames if not frame.f_code.co_filename.startswith(_LIBRARY_FOLDERS)]
    outer = own[-1] if own else frames[0]
    text = f"{task.get_name()!r} waits at {_place(outer)}"
    return text if outer is frames[-1] else f"{text}, inside {_place(frames[-1])}"


def _await_chain(coroutine: Any) -> list[FrameType]:
    """Frames of what is suspended, the task's own coroutine first."""
    frames = []
    while coroutine is not None:
        # A coroutine, a generator or an asynchronous generator; at the end stands the future's iterator, with no frame.
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        frame = frame or getattr(coroutine, "ag_frame", None)
        if frame is not None:
            frames.append(frame)
        coroutine = (
            getattr(coroutine, "cr_await", None)
            or getattr(coroutine, "gi_yieldfrom", None)
            or getattr(coroutine, "ag_await", None)
        )
    return frames


def _place(frame: FrameType) -> str:
    file = PurePath(frame.f_code.co_filename)
    return f"{PurePath(*file.parts[-2:])}:{frame.f_lineno} in {frame.f_code.co_qualname}"
