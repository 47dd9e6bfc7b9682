# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Keep bcc from reading all of /proc/kallsyms, a fifth of the time that compiling takes.

It does so once a process, to learn whether the kernel has bpf_probe_read_kernel before it rewrites
dereferences. bufbench's programs name that helper themselves: the answer does not matter.
"""

from __future__ import annotations

import ctypes as ct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

_Result = TypeVar("_Result")

_CLONE_NEWNS: Final = 0x20000
_MS_BIND: Final = 0x1000
_MS_REC_PRIVATE: Final = 0x4000 | 0x40000


def unseen(call: Callable[[], _Result]) -> _Result:
    """Call ``call`` in a thread that finds /proc/kallsyms empty; return its result.

    The thread has a mount namespace of its own, so that nobody else sees a change. Where that is
    not allowed, ``call`` is merely slower.
    """

    def body() -> _Result:
        libc = ct.CDLL(None)
        if libc.unshare(_CLONE_NEWNS) == 0:
            libc.mount(None, b"/", None, _MS_REC_PRIVATE, None)
            libc.mount(b"/dev/null", b"/proc/kallsyms", None, _MS_BIND, None)
        return call()

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="compile") as thread:
        return thread.submit(body).result()
