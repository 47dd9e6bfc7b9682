# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Versions of bcc and libbpf, and whether bufbench supports them."""

from __future__ import annotations

import ctypes
import re
from contextlib import suppress
from typing import Final

from bench.errors import MachineUnfit

OLDEST_BCC: Final = (0, 26)
"""Debian 12's: the oldest that was seen working without kernel headers."""

_REMEDY: Final = "apt-get install python3-bpfcc"


def bcc_version() -> str:
    """Import bcc and return its version; MachineUnfit if it is missing or too old."""
    try:
        import bcc
    except ImportError as error:
        raise MachineUnfit(f"bcc cannot be imported ({error})", remedy=_REMEDY) from error
    if not hasattr(bcc, "BPF"):
        raise MachineUnfit(
            f"the module bcc in {getattr(bcc, '__file__', None)} is PyPI's lattice library",
            remedy=f"pip uninstall bcc; {_REMEDY}",
        )
    version = str(getattr(bcc, "__version__", "0"))
    if tuple(int(number) for number in re.findall(r"\d+", version)[:2]) < OLDEST_BCC:
        oldest = ".".join(map(str, OLDEST_BCC))
        raise MachineUnfit(f"bcc {version} is older than {oldest}", remedy=_REMEDY)
    return version


def libbpf_name() -> str:
    """Return the name under which libbpf can be loaded; MachineUnfit if it cannot."""
    for name in ("libbpf.so.1", "libbpf.so.0"):
        with suppress(OSError):
            ctypes.CDLL(name)
            return name
    raise MachineUnfit("libbpf cannot be loaded", remedy=_REMEDY)
