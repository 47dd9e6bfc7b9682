# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Functions of the C library that Python lacks, and private mount namespaces by them."""

from __future__ import annotations

import ctypes as ct
import os
from typing import Any, Final

_CLONE_NEWNS: Final = 0x20000
_MS_REC_PRIVATE: Final = 0x4000 | 0x40000

_libc: Final = ct.CDLL(None, use_errno=True)


def last_error() -> OSError:
    """Return the errno that the last call of a library opened with ``use_errno`` left."""
    code = ct.get_errno()
    return OSError(code, os.strerror(code))


def call(function: str, *arguments: Any) -> int:
    """Return what a function returns; OSError where that is negative."""
    result = int(getattr(_libc, function)(*arguments))
    if result < 0:
        raise last_error()
    return result


def unshare_mounts() -> None:
    """Give this thread a mount namespace, whose mounts are seen nowhere else; OSError.

    It goes with the thread, or with the process where that has one thread only.
    """
    call("unshare", _CLONE_NEWNS)
    call("mount", None, b"/", None, _MS_REC_PRIVATE, None)
