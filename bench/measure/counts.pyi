# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

_Integers: TypeAlias = npt.NDArray[np.int64]

def unpacked(texts: list[bytes], most: int) -> tuple[_Integers, _Integers, _Integers]: ...
def packed(bins: _Integers, counts: _Integers) -> bytes: ...
def add(
    totals: _Integers, bins: _Integers, counts: _Integers, sizes: _Integers, to: _Integers
) -> None: ...
