# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test what a guest's console says of its end. Errors are QEMU's, with the dump that follows."""

from __future__ import annotations

import pytest

from bench.guests import watch

DUMP = "EAX=00000000 EBX=00000000 ECX=00000000 EDX=00060fb1\nCode=0f 01 d0 <c5> fc 77\n"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "KVM internal error. Suberror: 1\nemulation failure\n",
            "KVM internal error. Suberror: 1: emulation failure",
        ),
        (
            "KVM internal error. Suberror: 1\nextra data[0]: 0x0\nemulation failure\n",
            "KVM internal error. Suberror: 1: emulation failure",
        ),
        ("KVM internal error. Suberror: 3\n", "KVM internal error. Suberror: 3"),
        (
            "KVM: entry failed, hardware error 0x80000021\n\nIf you're running a guest on an Intel",
            "KVM: entry failed, hardware error 0x80000021",
        ),
        (
            "qemu: error: failed to set MSR 0x10a to 0x69\nkvm.c:3183: Assertion `n' failed.\n",
            "error: failed to set MSR 0x10a to 0x69",
        ),
        ("error: kvm run failed Bad address\n", "error: kvm run failed Bad address"),
        ("KVM: unknown exit, hardware reason 31\n", "KVM: unknown exit, hardware reason 31"),
    ],
)
def test_the_error_is_found_before_its_dump(said: str, words: str) -> None:
    assert watch.broken(f"[    0.1] Booting the kernel.\n{said}{DUMP}") == words


def test_without_known_words_the_last_line_is_quoted() -> None:
    assert watch.broken("[    0.1] Booting\n[    0.2] so far\n\n") == "so far"
    assert watch.broken("") == "nothing"


def test_a_panic_has_one_line() -> None:
    said = "[ 1.0] Kernel panic - not syncing: VFS: no root\n[ 1.1] CPU: 0\n"
    assert watch.panic(said) == "Kernel panic - not syncing: VFS: no root"
    assert watch.panic("[ 1.0] all is well") == ""
