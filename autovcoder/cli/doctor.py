"""`autovcoder doctor`: what this machine has of what the framework uses, and what to install.

Reads versions, the sandbox's layers, memory, processors and the packaged model's files; prints them, or JSON.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer

from autovcoder.cli.report_errors import FAILED, emit

# What each is for; the first group cannot be done without.
ESSENTIAL_TOOLS = {"iverilog": "compiles designs", "vvp": "simulates them"}
OTHER_TOOLS = {"yosys": "second opinion by synthesis and equivalence"}
ESSENTIAL_PACKAGES = ("pyslang", "torch", "transformers")
OTHER_PACKAGES = ("cocotb", "datatrove", "peft", "trl")


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False) -> None:
    """Say which tools, packages and devices are here, and what to install.

    Exit code 1 when something is missing that nothing works without.
    """
    found = examine()
    emit(json.dumps(found, indent=2) + "\n" if as_json else as_text(found))
    if not found["ok"]:
        raise typer.Exit(FAILED)


def examine() -> dict[str, Any]:
    """Everything `doctor` reports, as JSON-like data."""
    import psutil

    from autovcoder import __version__
    from hdl_sim.simulator import available_cores
    from hdl_sim.tools import install_hint, tool_version

    tools = {name: tool_version(name) for name in (*ESSENTIAL_TOOLS, *OTHER_TOOLS)}
    packages = {name: _package_version(name) for name in (*ESSENTIAL_PACKAGES, *OTHER_PACKAGES)}
    memory = psutil.virtual_memory()
    model = _model_hashes("nano")
    missing = {name: install_hint(name) for name, version in tools.items() if version is None}
    missing |= {name: _pip_hint(name) for name, version in packages.items() if version is None}
    if not model:
        missing["nano"] = "the packaged model is not in this installation; install autovcoder again"
    sandbox, python_box = _confinement(missing)
    essential = {*ESSENTIAL_TOOLS, *ESSENTIAL_PACKAGES, "nano", "sandbox"}
    return {
        "ok": essential.isdisjoint(missing),
        "autovcoder": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "tools": tools,
        "packages": packages,
        "sandbox": sandbox,
        "python_box": python_box,
        "processors": available_cores(),
        "memory_gib": {"total": _gib(memory.total), "available": _gib(memory.available)},
        "gpus": _gpus(),
        "nano": model,
        "missing": missing,
    }


def as_text(found: dict[str, Any]) -> str:
    """The findings as aligned lines, what to do last."""
    memory = found["memory_gib"]
    lines = [("autovcoder", found["autovcoder"]), ("python", found["python"]), ("system", found["system"])]
    lines += [(name, version or "missing") for name, version in found["tools"].items()]
    lines += [(name, version or "missing") for name, version in found["packages"].items()]
    lines += [("sandbox", ", ".join(found["sandbox"]) or "nothing is active")]
    lines += [("python box", ", ".join(found["python_box"]) or "not run here")]
    lines += [("processors", str(found["processors"]))]
    lines += [("memory", f"{memory['total']} GiB, {memory['available']} GiB available")]
    lines += [("gpu", ", ".join(found["gpus"]) or "none")]
    lines += [("nano" if i == 0 else "", f"{sha}  {name}") for i, (name, sha) in enumerate(found["nano"].items())]
    text = [f"{name:<13}{value}" for name, value in lines]
    text += [f"{name} is missing: {fix}" for name, fix in found["missing"].items()]
    return "\n".join([*text, "ready" if found["ok"] else "not ready: see above what to install"]) + "\n"


def _confinement(missing: dict[str, str]) -> tuple[list[str], list[str]]:
    """What confines designs, and what a model's Python, nothing where it is not run; adds to ``missing`` why."""
    from autovcoder.errors import ToolFailed, ToolMissing
    from hdl_sim.python_box import containment, require_containment
    from hdl_sim.sandbox import active_layers

    layers: list[str] = []
    try:
        layers = active_layers()
        require_containment()
        return layers, list(containment())
    except ToolMissing as error:
        missing["python box"] = str(error)
    except ToolFailed as error:
        missing["sandbox"] = str(error)
    return layers, []


def _package_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _pip_hint(name: str) -> str:
    extra = {"trl": "train", "datatrove": "data"}.get(name)
    return f"pip install 'autovcoder[{extra}]'" if extra else f"pip install {name}"


def _model_hashes(name: str) -> dict[str, str]:
    """File to sha256 of a packaged model, empty when it is not there."""
    from autovcoder.files import sha256_file

    folder = Path(str(files("autovcoder"))) / "assets" / name
    found = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in found}


def _gpus() -> list[str]:
    """Names and memory of the GPUs that torch can use."""
    try:
        import torch
    except ImportError:
        return []
    if torch.cuda.is_available():
        seen = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
        return [f"{gpu.name} ({_gib(gpu.total_memory)} GiB)" for gpu in seen]
    return ["Apple GPU (not used)"] if torch.backends.mps.is_available() else []


def _gib(size: int) -> float:
    return round(size / 2**30, 1)
