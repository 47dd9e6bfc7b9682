# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Environment variables that bufbench reads, for its help and its man page."""

from __future__ import annotations

from typing import Final

VARIABLES: Final = {
    "BUFBENCH_CONFIG": "File with defaults of options; empty: none.",
    "BUFBENCH_LOADER": "How tracers are loaded: bcc or prebuilt; by default bcc where installed.",
    "NO_COLOR, FORCE_COLOR": "Print no colours; print them even where there is no terminal.",
    "XDG_CACHE_HOME": "Fetched kernels are kept in its bufbench/kernels; ~/.cache by default.",
    "XDG_CONFIG_HOME": "bufbench/kernels.toml is looked for here; ~/.config by default.",
    "SUDO_UID, SUDO_GID": "Owner of the files that root makes; set by sudo.",
    "PATH": "Where to look for QEMU, GPG and other tools of `kernels`.",
}
IGNORED: Final = ("PYTHON*", "PYTEST_*", "TYPER_*", "BCC_*", "LIBBPF_*", "COLUMNS", "LINES")
"""Variables for other programs, which bufbench removes from its own environment."""
