# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Environment variables that bufbench follows, for its help and its man page."""

from __future__ import annotations

from typing import Final

VARIABLES: Final = {
    "BUFBENCH_CONFIG": "File that gives options their defaults; empty: none.",
    "BUFBENCH_LOADER": "What loads tracers: bcc or prebuilt; by default bcc where it is installed.",
    "NO_COLOR, FORCE_COLOR": "Without colours; with them, off a terminal too.",
    "XDG_CACHE_HOME": "Where fetched kernels are kept, in bufbench/kernels; ~/.cache by default.",
    "XDG_CONFIG_HOME": "Where bufbench/kernels.toml is looked for; ~/.config by default.",
    "SUDO_UID, SUDO_GID": "Who files belong to that root makes; sudo sets them.",
    "PATH": "Where QEMU, GPG and other tools of `kernels` are looked for.",
}
INTERNAL: Final = {
    "BUFBENCH_COUNTED": "Set in guests whose instructions are counted.",
    "BUFBENCH_READER": "Set for a reader of its own: the number of its socket.",
    "BUFBENCH_KERNEL_CONFIG": "Set in guests: the build configuration of their kernel.",
}
IGNORED: Final = ("PYTHON*", "PYTEST_*", "TYPER_*", "BCC_*", "LIBBPF_*", "COLUMNS", "LINES")
"""What a caller exports for other programs: bufbench removes it from its own environment."""
