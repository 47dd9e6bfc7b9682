# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""How exactly the time of a delivery is known: behind a backlog records share stamps.

The capture stamps in ascending order, and a record that has a stamp with others was held after the
stamp before it (bench/tracer/capture/rows.pxd).
"""

from __future__ import annotations

import numpy as np

from bench.measure.columns import Integers, select
from bench.record.records import Records


def errors_ns(records: Records, capture: Records) -> Integers:
    """Return by how much each of ``records``, all from ``capture``, may precede its stamp."""
    stamps = np.sort(select(capture, ("delivered_ns",))["delivered_ns"])
    first = np.flatnonzero(np.diff(stamps, prepend=-1))
    since_ns = np.diff(stamps[first], prepend=stamps[:1])
    shared = np.diff(first, append=len(stamps)) > 1
    if not shared.any():
        return np.zeros(len(records), np.int64)
    delivered_ns = select(records, ("delivered_ns",))["delivered_ns"]
    found: Integers = np.where(shared, since_ns, 0)[np.searchsorted(stamps[first], delivered_ns)]
    return found
