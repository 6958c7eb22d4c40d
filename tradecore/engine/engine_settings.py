"""EngineSettings: what decides how an engine runs, besides its feeds, brokers and strategies.    DESIGN 6, 13."""

from __future__ import annotations

import msgspec


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """on_error: "halt" ends the run when a strategy raises, "isolate" lets the others go on. start_ns, end_ns: of the
    run, both included, None where open.
    """

    on_error: str = "halt"
    start_ns: int | None = None
    end_ns: int | None = None
