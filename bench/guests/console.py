# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Find in a guest's console the words for why it ended; that it did is known from elsewhere."""

from __future__ import annotations

import re
from typing import Final

_STAMP: Final = re.compile(r"^\[ *\d+\.\d+\] ?")
_PANIC: Final = re.compile(r"Kernel panic - not syncing: .*")
# Source: QEMU, accel/kvm/kvm-all.c and target/i386/kvm/kvm.c; of the kinds of an internal error
# (KVM_INTERNAL_ERROR_...) only the first has its name there.
_OF_KVM: Final = re.compile(
    r"(KVM internal error\. Suberror: \d+|KVM: (?:entry failed|unknown exit).*"
    r"|error: (?:kvm run failed|failed to set MSR).*)"
    r"\s*(?:extra data\[\d+\].*\s*)*(emulation failure)?"
)
_LONGEST: Final = 200


def last_line(console: str, default: str = "nothing") -> str:
    """Return the last line that says something; ``default`` where none does."""
    lines = (_STAMP.sub("", line).strip() for line in reversed(console.splitlines()))
    return next((line[:_LONGEST] for line in lines if line), default)


def panic(console: str) -> str:
    """Return the kernel's words for its panic, "" where it has none."""
    found = _PANIC.search(console)
    return found[0].strip()[:_LONGEST] if found else ""


def broken(console: str) -> str:
    """Return QEMU's words for what it could not go on with; its last line where it has none."""
    found = _OF_KVM.search(console)
    return (
        ": ".join(filter(None, map(str.strip, found.groups(""))))[:_LONGEST]
        if found
        else last_line(console)
    )
