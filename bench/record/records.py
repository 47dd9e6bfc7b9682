# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define the exit record for numpy; bench/record/layout.py explains its fields."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from bench.record.layout import CAPTURED_CODES, SENT_CODES, CapturedRecord, Flag

__all__ = ["CAPTURED", "RECORD", "Flag", "Records"]

_NUMPY: Final = {"Q": "<u8", "I": "<u4", "H": "<u2", "16s": "S16"}

CAPTURED: Final = np.dtype(
    [
        (name, _NUMPY[code])
        for name, code in zip(CapturedRecord._fields, CAPTURED_CODES, strict=True)
    ]
)
"""What the capture keeps of each record (88 bytes), in the order of delivery."""

RECORD: Final = np.dtype(CAPTURED.descr[: len(SENT_CODES)])
"""What the tracer sends (72 bytes, then padding)."""

Records = npt.NDArray[np.void]
"""One-dimensional array of dtype ``CAPTURED``, in the order of delivery."""
