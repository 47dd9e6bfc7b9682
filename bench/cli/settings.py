# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read defaults of options from a file: bufbench.toml, or [tool.bufbench] in pyproject.toml.

Each command has a table: `[tool.bufbench.run]`, or `[run]` in bufbench.toml. The command line takes
precedence. Without such a file, this costs only two failed opens.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any, Final

import click

from bench.cli import COMMANDS
from bench.errors import UsageError, reject

VARIABLE: Final = "BUFBENCH_CONFIG"
_PYPROJECT: Final = "pyproject.toml"
_FILES: Final = ("bufbench.toml", _PYPROJECT)
_LONGEST_BYTES: Final = 256 * 1024
_SECTION: Final = rb"(?m)tool[\"'\s]*\.[\"'\s]*bufbench|^\s*\[\s*tool\s*\]"
_META: Final = "bench.cli.settings"
_TYPES: Final[dict[str, tuple[tuple[type, ...], str]]] = {
    "boolean": ((bool,), "true or false"),
    "integer": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
}
_TEXT: Final = (str, int, float), "a string or a number"


def load(context: click.Context) -> None:
    """Use the settings of this folder, or of the file that BUFBENCH_CONFIG names, as defaults."""
    named = os.environ.get(VARIABLE)
    if named == "":
        return
    for path in map(Path, _FILES if named is None else (named,)):
        content = _content(path, required=named is not None)
        if content is not None and (tables := _tables(path, content)):
            context.default_map = tables
            context.meta[_META] = path
            check_commands(context, COMMANDS)
            return


def check_commands(context: click.Context, known: tuple[str, ...]) -> None:
    """Raise UsageError if the settings name a command that does not exist."""
    for name, value in (context.default_map or {}).items():
        where = f"{context.meta[_META]}: {_name(context, name)}"
        reject(
            name == "tool" and isinstance(value, dict) and "bufbench" in value,
            f"{where}: only {_PYPROJECT} has [tool.bufbench.run]",
            "write [run]",
        )
        reject(name not in known, f"{where}: there is no such command", _choose(known))
        table = isinstance(value, dict)
        reject(not table, f"{where} is not a table", f"write [{_name(context, name)}]")


def check_options(context: click.Context) -> dict[str, Any]:
    """Return the settings of this command by the names of its parameters.

    UsageError, naming file and key, for an unknown option and for a value that it cannot have.
    """
    found: dict[str, Any] = {}
    taken = (each for each in context.command.params if isinstance(each, click.Option))
    options = {each.opts[-1].removeprefix("--"): each for each in taken}
    for key, value in (context.default_map or {}).items():
        where = f"{context.meta[_META]}: {_name(context, key)}"
        reject(key not in options, f"{where}: there is no such option", _choose(options))
        option = options[key]
        found[option.name or ""] = _checked(context, option, value, where)
    return found


def _checked(context: click.Context, option: click.Option, value: Any, where: str) -> Any:
    several = option.multiple
    types, what = _TYPES.get(option.type.name, _TEXT)
    values = value if several and isinstance(value, list) else [value]
    fits = isinstance(value, list) == several and all(
        isinstance(each, types) and (bool in types or not isinstance(each, bool)) for each in values
    )
    reject(not fits, f"{where} is not {f'a list, with each entry {what}' if several else what}")
    if types == _TEXT[0]:
        values = list(map(str, values))
    reject(any("\0" in str(each) for each in values), f"{where} contains a NUL character")
    given = values if several else values[0]
    try:
        option.type_cast_value(context, given)
    except (click.UsageError, UsageError) as error:
        raise UsageError(f"{where}: {error.message.rstrip('.')}") from error
    return given


def _name(context: click.Context, name: str) -> str:
    words = context.command_path.split()[1:]
    prefix = ["tool", "bufbench"] if context.meta[_META].name == _PYPROJECT else []
    return ".".join([*prefix, *words, name])


def _choose(known: Any) -> str:
    return f"choose from {', '.join(known)}"


def _content(path: Path, *, required: bool) -> bytes | None:
    """Return the content; None if an optional file is missing, unreadable or without settings."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        reject(required, f"cannot read {path}: {error.strerror}")
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            reject(required, f"cannot read {path}: it is not a file")
            return None
        content = os.read(descriptor, _LONGEST_BYTES + 1)
    finally:
        os.close(descriptor)
    if path.name == _PYPROJECT and not re.search(_SECTION, content):
        return None
    reject(len(content) > _LONGEST_BYTES, f"{path} is longer than any settings")
    if os.geteuid() == 0:
        _check_owner(path, status)
    return content


def _check_owner(path: Path, status: os.stat_result) -> None:
    """Raise UsageError if root would follow settings that others can write."""
    from bench.host.ownership import caller

    owners = {status.st_uid, path.lstat().st_uid}
    foreign = not owners <= {0, *(caller() or ())[:1]}
    reject(
        foreign or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH),
        f"{path} is not followed as root: others may write it",
        "chown and chmod go-w it, or give --no-config",
    )


def _tables(path: Path, content: bytes) -> dict[str, Any]:
    from bench.host import toml

    tables = toml.tables(path, content)
    if path.name != _PYPROJECT:
        return tables
    tool = tables.get("tool")
    found = tool.get("bufbench", {}) if isinstance(tool, dict) else {}
    table = isinstance(found, dict)
    reject(not table, f"{path}: tool.bufbench is not a table", "write [tool.bufbench.run]")
    return found
