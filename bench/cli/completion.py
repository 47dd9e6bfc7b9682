# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench completion: scripts that contain all names, so that completing starts no Python."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

from typer import Argument

if TYPE_CHECKING:
    from bench.cli.man import Node, Option


class Shell(StrEnum):
    """Shells for which a script can be written."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def command(shell: Annotated[Shell, Argument(help="bash, zsh or fish.", metavar="SHELL")]) -> None:
    """Print the script that completes bufbench's commands, options and names in a shell.

    The script contains all names, so that pressing Tab starts no process; write it again after an
    update. Put it into ~/.local/share/bash-completion/completions/bufbench for bash, into _bufbench
    in a folder of fpath for zsh, into ~/.config/fish/completions/bufbench.fish for fish.

    Example: bufbench completion bash > bufbench.bash
    """
    from bench.cli.man import nodes

    print("\n".join(_SCRIPTS[shell](list(nodes()))))


def _words(node: Node) -> list[str]:
    flags = [flag for option in node.options for flag in option.flags if flag.startswith("--")]
    return [*node.children, *node.values, *flags]


def _bash(nodes: Sequence[Node]) -> Iterator[str]:
    yield "# bash completion of bufbench; written by: bufbench completion bash"
    yield "_bufbench() {"
    yield "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}"
    yield "\tlocal at= files= words= i"
    yield "\tfor ((i = 1; i < COMP_CWORD; i++)); do"
    yield '\t\tcase "$at ${COMP_WORDS[i]}" in'
    paths = "|".join(f'" {" ".join(node.words)}"' for node in nodes if node.words)
    yield f'\t\t{paths}) at="$at ${{COMP_WORDS[i]}}" ;;'
    yield "\t\tesac"
    yield "\tdone"
    yield "\t[[ $cur != = ]] || cur="
    yield "\t[[ $prev != = ]] || prev=${COMP_WORDS[COMP_CWORD - 2]}"
    yield '\tcase "$at:$prev" in'
    for node in nodes:
        at = "".join(f" {word}" for word in node.words)
        for option in node.options:
            if option.metavar:
                cases = "|".join(f'"{at}:{flag}"' for flag in option.flags)
                names = shlex.quote(" ".join(option.values))
                yield f"\t{cases}) {'files=1' if option.path else f'words={names}'} ;;"
    yield "\t*)"
    yield '\t\tcase "$at" in'
    for node in nodes:
        at = "".join(f" {word}" for word in node.words)
        yield f'\t\t"{at}") words={shlex.quote(" ".join(_words(node)))}{" files=1" * node.paths} ;;'
    yield "\t\tesac"
    yield "\t\t;;"
    yield "\tesac"
    yield '\tCOMPREPLY=($(compgen -W "$words" -- "$cur"))'
    yield "\t[[ -z $files || $cur == -* ]] || {"
    yield "\t\tcompopt -o filenames 2>/dev/null"
    yield '\t\tmapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$cur")'
    yield "\t}"
    yield "}"
    yield "complete -F _bufbench bufbench"


def _zsh(nodes: Sequence[Node]) -> Iterator[str]:
    yield "#compdef bufbench"
    yield "# zsh completion of bufbench; written by: bufbench completion zsh"
    for node in reversed(nodes):  # members before their group
        yield f"{_function(node.words)}() {{"
        yield "\tlocal context state line"
        yield "\ttypeset -A opt_args"
        yield "\t_arguments -C \\"
        for option in node.options:
            yield from (f"\t\t{each} \\" for each in _zsh_option(option))
        if node.children:
            known = {each.words: each for each in nodes}
            pairs = " ".join(
                f"{name}\\:{_zsh_quoted(known[*node.words, name].summary)}"
                for name in node.children
            )
            yield f"\t\t{_single(f'1:command:(({pairs}))')} \\"
            yield "\t\t'*::argument:->argument'"
            yield "\t[[ $state == argument ]] || return"
            yield "\tcase $line[1] in"
            for name in node.children:
                yield f"\t{name}) {_function((*node.words, name))} ;;"
            yield "\tesac"
        elif node.values:
            yield f"\t\t'*:arm:({' '.join(node.values)})'"
        else:
            yield f"\t\t'*:argument:{'_files' * node.paths}'"
        yield "}"
    yield '_bufbench "$@"'


def _function(words: Sequence[str]) -> str:
    return "_".join(("_bufbench", *words))


def _zsh_option(option: Option) -> Iterator[str]:
    value = ""
    if option.metavar:
        names = " ".join(each.replace(":", "\\:") for each in option.values)
        value = ":value:_files" if option.path else f":value:({names})" if names else ":value: "
    for flag in option.flags:
        equals = "=" if option.metavar and flag.startswith("--") else ""
        several = "*" if option.several else ""
        yield _single(f"{several}{flag}{equals}[{_zsh_quoted(option.help)}]{value}")


_ZSH_SPECIAL: Final = frozenset('\\[]:()"`$ ')


def _zsh_quoted(text: str) -> str:
    return "".join(f"\\{char}" if char in _ZSH_SPECIAL else char for char in text)


def _single(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _fish(nodes: Sequence[Node]) -> Iterator[str]:
    yield "# fish completion of bufbench; written by: bufbench completion fish"
    known = " ".join(_single(" ".join(node.words)) for node in nodes if node.words)
    yield f"set -g __bufbench_commands {known}"
    yield "function __bufbench_at"
    yield "\tset -l at"
    yield "\tfor word in (commandline -opc)[2..-1]"
    yield '\t\tset -l longer (string trim -- "$at $word")'
    yield "\t\tcontains -- $longer $__bufbench_commands; and set at $longer"
    yield "\tend"
    yield '\ttest "$at" = "$argv"'
    yield "end"
    yield "complete -c bufbench -f"
    summaries = {node.words: node.summary for node in nodes}
    for node in nodes:
        at = f"complete -c bufbench -n {_single('__bufbench_at ' + ' '.join(node.words))}"
        for name in node.children:
            yield f"{at} -a {name} -d {_fish_text(summaries[*node.words, name])}"
        for value in node.values:
            yield f"{at} -a {value}"
        if node.paths:
            yield f"{at} -F"
        for option in node.options:
            flags = " ".join(
                f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
                for flag in option.flags
            )
            takes = ""
            if option.metavar:
                takes = " -r -F" if option.path else " -x"
            if option.values:
                takes += f" -a {_single(' '.join(option.values))}"
            yield f"{at} {flags}{takes} -d {_fish_text(option.help)}"


def _fish_text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_SCRIPTS: Final[dict[Shell, Callable[[Sequence[Node]], Iterator[str]]]] = {
    Shell.BASH: _bash,
    Shell.ZSH: _zsh,
    Shell.FISH: _fish,
}
