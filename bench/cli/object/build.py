# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench object build."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Annotated

from typer import Argument

from bench.cli.options import each_once, of_output, of_tracer

_SOURCE = Argument(help="The BPF program, in C.", metavar="SOURCE.bpf.c")
_HEADER = Argument(help="The header that defines its event.", metavar="[HEADER.h]")
_EVENT = of_tracer(
    help="Name of a structure that it sends; by default those of the header, or of the source. "
    "Repeatable.",
    metavar="STRUCT",
)
_OUTPUT = of_output(help="Package to write; SOURCE.json by default.", metavar="FILE")


def command(
    source: Annotated[Path, _SOURCE],
    header: Annotated[Path | None, _HEADER] = None,
    *,
    event: Annotated[list[str] | None, _EVENT] = None,
    output: Annotated[Path | None, _OUTPUT] = None,
) -> None:
    """Compile a BPF program and package it: object, types of its events, description.

    Needs clang and libbpf's headers; vmlinux.h is generated from the running kernel's types. The
    package has the format of eunomia-bpf's package.json.

    Example: bufbench object build examples/exitsnoop/exitsnoop.bpf.c

    Example: bufbench object build tool.bpf.c tool.h --output tool.json
    """
    from bench.cli.output import write
    from bench.tracer import libbpf
    from bench.tracer.object import compiled, loaded, package

    built = compiled.build(source, header, each_once("--event", event))
    with libbpf.loaded() as library, loaded.opened(library, built.elf, built.name) as opened:
        text = package.written(
            built,
            maps=[each.name for each in opened.maps()],
            programs=[(each.name, each.section) for each in opened.programs()],
            arch=platform.machine(),
        )
    print(write(output or Path(f"{built.name}.json"), text))
