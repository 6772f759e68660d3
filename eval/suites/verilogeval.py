"""VerilogEval, versions 1 and 2, from the user's copy (NVlabs/verilog-eval).

Reads the JSONL files of release 1.0.0, or the folders of release 2; writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from autovcoder.errors import InputError
from autovcoder.records import Bench, PassRule, Problem
from eval.suites.files import find_file, read_text, text_rows
from hdl_sim.rename import rename_module

_COUNT = PassRule(kind="mismatch_count")
_PROMPT = "_prompt.txt"


def v1(part: str) -> Callable[[Path], list[Problem]]:
    """The loader of version 1 (Liu et al., 2023), ``Human`` or ``Machine``.

    The official candidate is the prompt's module header with the completion behind it; so is the reference here. An
    answer that brings its own header is used as it is.
    """

    def load(data: Path) -> list[Problem]:
        # A checkout keeps the problems and their descriptions in two folders.
        beside = [data.parent / "descriptions"] if data.name == "data" else []
        tasks = find_file(f"VerilogEval_{part}.jsonl", data, data / "data")
        texts = find_file(f"VerilogDescription_{part}.jsonl", data, data / "descriptions", *beside)
        spec = {row["task_id"]: row["detail_description"] for row in text_rows(texts, "task_id", "detail_description")}
        problems = []
        for row in text_rows(tasks, "task_id", "prompt", "canonical_solution", "test"):
            if row["task_id"] not in spec:
                raise InputError("no description of a problem", where=f"{texts}: {row['task_id']}")
            problems.append(
                Problem(
                    id=row["task_id"],
                    suite=f"verilogeval-v1-{part.lower()}",
                    category=part.lower(),
                    spec=spec[row["task_id"]],
                    interface=row["prompt"].strip(),
                    bench=Bench(kind="verilog", sources={"tb.sv": row["test"]}, top="tb", pass_rule=_COUNT),
                    reference=row["prompt"] + row["canonical_solution"],
                )
            )
        return problems

    return load


def v2_spec_to_rtl(data: Path) -> list[Problem]:
    """Version 2 (Pinckney et al., 2024), from a text to a module: the text lists the ports, no header is given."""
    folder = _dataset(data, "dataset_spec-to-rtl")
    if next(folder.glob("*_ifc.txt"), None) is not None:
        raise InputError("this is the data of verilogeval-v2-code-complete", where=folder)
    name = "verilogeval-v2-spec-to-rtl"
    return [_v2(prompt, name, read_text(prompt).strip(), None) for prompt in _prompts(folder)]


def v2_code_complete(data: Path) -> list[Problem]:
    """Version 2, completing a module: the prompt is a text with the module's header at its end."""
    problems = []
    for prompt in _prompts(_dataset(data, "dataset_code-complete-iccad2023")):
        header = read_text(_beside(prompt, "_ifc.txt")).strip()
        # The header follows the text in every prompt of ours.
        text = read_text(prompt).strip().removesuffix(header).strip()
        problems.append(_v2(prompt, "verilogeval-v2-code-complete", text, header))
    return problems


def _v2(prompt: Path, suite: str, spec: str, header: str | None) -> Problem:
    """RefModule belongs to the bench, which compares TopModule with it; so the reference is RefModule renamed."""
    reference = read_text(_beside(prompt, "_ref.sv"))
    sources = {"test.sv": read_text(_beside(prompt, "_test.sv")), "ref.sv": reference}
    return Problem(
        id=prompt.name.removesuffix(_PROMPT),
        suite=suite,
        category=suite.removeprefix("verilogeval-v2-"),
        spec=spec,
        interface=header,
        bench=Bench(kind="verilog", sources=sources, top="tb", pass_rule=_COUNT),
        reference=rename_module(reference, "RefModule", "TopModule"),
    )


def _dataset(data: Path, name: str) -> Path:
    return data / name if (data / name).is_dir() else data


def _prompts(folder: Path) -> list[Path]:
    found = sorted(folder.glob(f"*{_PROMPT}"))
    if not found:
        raise InputError("the suite holds no problems", where=folder, fix=f"expected files *{_PROMPT} in it")
    return found


def _beside(prompt: Path, ending: str) -> Path:
    return prompt.with_name(prompt.name.removesuffix(_PROMPT) + ending)
