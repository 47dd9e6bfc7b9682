# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run the shell of action.yml and templates/bufbench.yml as their runners run it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from bench.host import process

ROOT: Final = Path(__file__).parents[1]
ACTION: Final = ROOT / "action.yml"
COMPONENT: Final = ROOT / "templates/bufbench.yml"
TIMEOUT_S: Final = 120.0
_BASH: Final = ("bash", "--noprofile", "--norc", "-eo", "pipefail")


@dataclass(frozen=True, kw_only=True)
class Ended:
    """Hold how a job ended, and what it left."""

    code: int
    log: str
    summary: str
    kept: tuple[Path, ...]  # what is uploaded
    artifact: str = ""
    outputs: Mapping[str, str]

    def commands(self) -> list[str]:
        """Return the lines that GitHub's runner would take for commands to itself."""
        found, ending = [], ""
        for line in self.log.splitlines():
            if ending:
                ending = "" if line == ending else ending
            elif line.startswith("::stop-commands::"):
                ending = line.replace("stop-commands::", "") + "::"
            elif line.startswith("::"):
                found.append(line)
        return found


def action() -> dict[str, Any]:
    return yaml.safe_load(ACTION.read_text())


def component(inputs: Mapping[str, str], sha: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the inputs' specification and the jobs, with the values put in."""
    specification, jobs = yaml.safe_load_all(COMPONENT.read_text())
    values = _given(specification["spec"]["inputs"], inputs)
    context = {f"inputs.{name}": value for name, value in values.items()}
    return specification, _interpolated(jobs, {**context, "component.sha": sha})


def run_action(
    path: Path, temporary: Path, inputs: Mapping[str, str], env: Mapping[str, str]
) -> Ended:
    """Run the action that was downloaded to ``path``."""
    described = action()
    job = {"github.job": "measure", "strategy.job-index": "3"}
    context = dict(job)
    for name, value in _given(described["inputs"], inputs).items():
        context[f"inputs.{name}"] = _evaluated(value, job) if name not in inputs else value
    summary = temporary / "step-summary"
    code, log, kept, artifact = 0, "", [], ""
    for number, step in enumerate(described["runs"]["steps"]):
        if not _wanted(step.get("if", "${{ success() }}"), context, failed=code != 0):
            continue
        if "uses" in step:
            assert step["uses"].startswith("actions/upload-artifact@")
            kept.append(Path(_evaluated(step["with"]["path"], context)))
            artifact = _evaluated(step["with"]["name"], context)
            continue
        assert step["shell"] == "bash"
        script = temporary / f"step-{number}.sh"
        script.write_text(_evaluated(step["run"], context))
        output = temporary / f"step-{number}.output"
        output.touch()
        done = process.run(
            [*_BASH, script],
            timeout_s=TIMEOUT_S,
            check=False,
            cwd=temporary,
            env={
                **{name: _evaluated(value, context) for name, value in step["env"].items()},
                "GITHUB_ACTION_PATH": str(path),
                "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(summary),
                "RUNNER_TEMP": str(temporary),
                **env,
            },
        )
        log += done.stdout + done.stderr
        code = code or done.returncode
        for line in output.read_text().splitlines():
            name, _, value = line.partition("=")
            context[f"steps.{step['id']}.outputs.{name}"] = value
    outputs = {
        name: _evaluated(each["value"], context) for name, each in described["outputs"].items()
    }
    return Ended(
        code=code,
        log=log,
        summary=summary.read_text() if summary.exists() else "",
        kept=tuple(kept),
        artifact=artifact,
        outputs=outputs,
    )


def run_component(
    project: Path, inputs: Mapping[str, str], sha: str, env: Mapping[str, str]
) -> Ended:
    """Run the component's job in the folder ``project``, which is empty as its strategy says."""
    _, jobs = component(inputs, sha)
    (job,) = jobs.values()
    assert job["variables"]["GIT_STRATEGY"] == "empty"
    variables = {
        name: value["value"] if isinstance(value, dict) else value
        for name, value in job["variables"].items()
    }
    done = process.run(
        [*_BASH, "-c", "\n".join(job["script"])],
        timeout_s=TIMEOUT_S,
        check=False,
        cwd=project,
        env={**variables, "CI_PROJECT_DIR": str(project), **env},
    )
    artifacts = job["artifacts"]
    always = artifacts["when"] == "always"
    kept = [project / path for path in artifacts["paths"]] if always or not done.returncode else []
    summary = project / "bufbench-results/summary.md"
    return Ended(
        code=done.returncode,
        log=done.stdout + done.stderr,
        summary=summary.read_text() if summary.exists() else "",
        kept=tuple(kept),
        outputs={"junit": str(project / artifacts["reports"]["junit"])},
    )


def _given(declared: Mapping[str, Any], inputs: Mapping[str, str]) -> dict[str, Any]:
    assert inputs.keys() <= declared.keys()
    assert all("default" in each or name in inputs for name, each in declared.items())
    return {name: inputs.get(name, each.get("default")) for name, each in declared.items()}


def _evaluated(text: str, context: Mapping[str, str]) -> str:
    """Put values in for ``${{ name }}``; a step that did not run has no outputs."""

    def value(found: re.Match[str]) -> str:
        name = found[1]
        return context.get(name, "") if name.startswith("steps.") else context[name]

    return re.sub(r"\$\{\{ ([\w.-]+) \}\}", value, text)


def _wanted(condition: str, context: Mapping[str, str], *, failed: bool) -> bool:
    terms = condition.removeprefix("${{ ").removesuffix(" }}").split(" && ")
    functions = {"always()": True, "success()": not failed}
    ran = failed or {*terms} & functions.keys()  # success() stands where no function does
    return bool(ran) and all(functions.get(each, context.get(each)) for each in terms)


def _interpolated(node: Any, context: Mapping[str, Any]) -> Any:
    """Put values in for ``$[[ name ]]`` in each scalar; what is one alone keeps its type."""
    if isinstance(node, dict):
        return {
            _interpolated(name, context): _interpolated(each, context)
            for name, each in node.items()
        }
    if isinstance(node, list):
        return [_interpolated(each, context) for each in node]
    if not isinstance(node, str):
        return node
    pattern = r"\$\[\[ ([\w.-]+) \]\]"
    if whole := re.fullmatch(pattern, node):
        return context[whole[1]]
    return re.sub(pattern, lambda found: str(context[found[1]]), node)
