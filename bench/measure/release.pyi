# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

_Integers: TypeAlias = npt.NDArray[np.int64]
_Cpus: TypeAlias = npt.NDArray[np.uint16]

class Restorer:
    held_peak: int

    def __init__(
        self, most: int, width: int, cpus: int, *, by_cpu: bool, slowest: bool
    ) -> None: ...
    def run(
        self,
        records: npt.NDArray[np.uint8],
        stamp_ns: _Integers,
        delivered_ns: _Integers,
        cpu: _Cpus,
        rounds: _Integers,
        hold_ns: int,
        order: _Integers,
        released_ns: _Integers,
    ) -> None: ...

def begin_rounds(
    stamp_ns: _Integers,
    delivered_ns: _Integers,
    cpu: _Cpus,
    begins: _Integers,
) -> int: ...
def least_hold_ns(
    stamp_ns: _Integers,
    delivered_ns: _Integers,
    rounds: _Integers,
    by_stamp: _Integers,
    rank: _Integers,
    left: _Integers,
    right: _Integers,
) -> int: ...
