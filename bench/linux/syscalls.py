# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Numbers of the system calls that the C library has no function for.

Source: arch/x86/entry/syscalls/syscall_64.tbl; scripts/syscall.tbl, which arm64 and all newer
architectures share.
"""

from __future__ import annotations

import os
from typing import Final

_X86_64: Final = os.uname().machine == "x86_64"

BPF: Final = 321 if _X86_64 else 280
PERF_EVENT_OPEN: Final = 298 if _X86_64 else 241
MOUNT_SETATTR: Final = 442  # Linux 5.12
