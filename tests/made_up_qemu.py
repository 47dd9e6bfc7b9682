# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Stand in for QEMU, and boot nothing: a kernel's name says what becomes of its guest."""

from __future__ import annotations

import os
from pathlib import Path

from made_up_archive import vmlinuz

_SCRIPT = """#!/bin/sh
[ "$1" = --version ] && { echo 'QEMU emulator version 9.9 (made up)'; exit; }
while [ $# -gt 0 ]; do
	case "$1" in
	-plugin) plugin=${2#*out=} ;;
	-chardev)
		case "$2" in
		*id=report*) report=${2##*path=} ;;
		*id=symbols*) symbols=${2##*path=} ;;
		esac
		;;
	-kernel) kernel=$2 ;;
	-append) echo "$2" >>"${0%/*}/appended.log" ;;
	-seed) seed=$2 ;;
	esac
	shift
done
if [ -z "$kernel" ]; then
	[ -n "$BUFBENCH_TEST_PLUGIN" ] && echo "$BUFBENCH_TEST_PLUGIN"
	echo "qemu: -plugin $plugin: invalid option" >&2
	exit 1
fi
if [ -n "$plugin" ]; then
	[ -e "$kernel.blocks" ] && cp "$kernel.blocks" "$plugin" && cp "$kernel.symbols" "$symbols"
	[ -e "$kernel.disturbed" ] && cp "$kernel.disturbed" "$report" && exit
fi
echo "booted $kernel" >>"${0%/*}/booted.log"
case "$kernel" in
*hangs) exec sleep 60 ;;
*panics) echo '[1.0] Kernel panic - not syncing: made up' >"${report%report.txt}console.log" ;;
*refuses) echo "qemu: -icount is not allowed with hardware virtualization" >&2; exit 1 ;;
*)
	case "$report" in
	*-again/*) [ -e "$kernel.again" ] && seed=again ;;
	esac
	cp "$kernel.$seed" "$report" ;;
esac
"""


def install(folder: Path, *architectures: str) -> dict[str, str]:
    """Install made-up QEMUs, of x86-64 if none is named; return the environment that finds them."""
    for each in architectures or ("x86_64",):
        program = folder / f"qemu-system-{each}"
        program.write_text(_SCRIPT)
        program.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def image(folder: Path, name: str, *reports: bytes, header: bytes = b"", seeds: int = 2) -> str:
    """Make a kernel's image, and what its guest reports with each seed; the last report repeats."""
    path = folder / name
    path.write_bytes(header or vmlinuz("6.1.0-made-up"))
    for seed in range(1, seeds + 1):
        if reports:
            Path(f"{path}.{seed}").write_bytes(reports[min(seed, len(reports)) - 1])
    return str(path)


def booted(folder: Path) -> list[str]:
    """Return the names of the kernels that were booted, in order."""
    log = folder / "booted.log"
    lines = log.read_text().splitlines() if log.exists() else []
    return [Path(line.removeprefix("booted ")).name for line in lines]


def appended(folder: Path) -> list[str]:
    """Return the kernel's parameters of each boot, in order."""
    return (folder / "appended.log").read_text().splitlines()
