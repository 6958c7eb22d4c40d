"""The library behind Parquet stores, or a clear word that it is not installed.

Gives:    pyarrow as `pa`, its `compute` and `parquet`; numpy as `np`, which pyarrow uses where it is there, else None.
Never:    is imported before a Parquet store or file is asked for: pyarrow is an extra, and slow to load.    Spec: 2.1.
"""

from __future__ import annotations

from typing import Any

from tradecore.errors import StorageUnavailable

try:
    import pyarrow as pa
    from pyarrow import compute, parquet
except ModuleNotFoundError as error:
    raise StorageUnavailable(
        'a parquet: store needs the library pyarrow, which is not installed; pip install "tradecore[parquet]"'
    ) from error

np: Any
try:
    import numpy as np
except ModuleNotFoundError:
    np = None

__all__ = ["compute", "np", "pa", "parquet"]
