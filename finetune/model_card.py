"""Cards in the form of the Hugging Face hub: what a model was made from and how, and what it was measured to do.

Reads manifests, ``validation.jsonl``, an adapter's own settings and a run's ``report.json``; writes ``README.md``.
Nothing is stated that is not in one of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from autovcoder import __version__
from autovcoder.files import read_jsonl, sha256_file, write_atomic
from autovcoder.models.local import PACKAGED, resolve
from autovcoder.prompt import SYSTEM
from autovcoder.store import MANIFEST, Manifest, Stage, hash_input, read_manifest
from finetune.hub import is_hub_id
from finetune.reporting import evaluation_table, listed, plain, validation_table
from finetune.validation import FILE as VALIDATIONS

CARD = "README.md"
_LIBRARY = {"safetensors": "transformers", "adapter": "peft", "gguf": "gguf", "ollama": "gguf"}
_WHAT = {
    "finetune.pretrain": "a base model, {begun}",
    "finetune.round1": "LoRA on RTL texts: how Verilog is written",
    "finetune.round2": "LoRA on verified pairs: how a problem is solved, with the loss on the answers alone",
    "finetune.rl": "LoRA by reinforcement learning, rewarded by simulation",
    "finetune.merge": "an adapter joined with the model that it was trained on",
    "finetune.average": "the weighted mean of several models",
}
_RECIPE = (
    "learning_rate", "lr_scheduler_type", "warmup_steps", "num_train_epochs", "max_steps",
    "per_device_train_batch_size", "gradient_accumulation_steps", "max_length", "optim", "weight_decay", "adam_beta1",
    "adam_beta2", "max_grad_norm", "bf16", "fp16",
)  # fmt: skip
_LORA = ("peft_type", "r", "lora_alpha", "lora_dropout", "use_rslora", "use_dora", "target_modules")
_ASKS = ("finetune.round2", "finetune.rl")
"""Stages that put problems to a model, each behind the system text."""
_UNMEASURED = "No pass rate on a benchmark is stated here: `autovcoder eval run` measures it.\n"


class Training(NamedTuple):
    """A stage that made or changed weights: its manifest, its folder's validations, and how its adapter was set up."""

    made: Manifest
    validations: Sequence[Mapping[str, Any]] = ()
    lora: Mapping[str, Any] = {}


def describe_data(folder: Path) -> dict[str, Any]:
    """What a card says of a finished data folder; a round keeps it among its facts, since the data stay elsewhere.

    Raises:
        StoreError: it is not finished.
    """
    made = read_manifest(folder)
    return {
        "stage": made.stage,
        "sha256": hash_input(folder),
        "rows": made.rows,
        "seed": made.seed,
        "facts": _numbers(made.facts),
    }


def describe_recipe(arguments: Any) -> dict[str, Any]:
    """What a card says of ``transformers.TrainingArguments`` and their kin: what was set, by whomever."""
    found = {name: getattr(arguments, name, None) for name in _RECIPE}
    return {
        name: str(getattr(value, "value", value)) if name in ("lr_scheduler_type", "optim") else value
        for name, value in found.items()
        if value is not None
    }


def describe_lora(folder: Path) -> dict[str, Any]:
    """What a card says of the LoRA in ``folder``; a round that is joined with a lower one keeps it among its facts."""
    found = {key: _adapter_settings(folder).get(key) for key in _LORA}
    return {key: value for key, value in found.items() if value is not None and value is not False}


def write_card(stage: Stage, facts: Mapping[str, Any], adapter: Path | None = None) -> None:
    """Write the card of a stage that is about to finish, so that it is hashed with the other files.

    Args:
        stage: with all other files in place in its folder.
        facts: what the manifest will state.
        adapter: the folder of a finished round, when the stage merged it into a model.

    Raises:
        StoreError: ``adapter`` is not finished, or the card cannot be written.
    """
    out, made = stage.folder, stage.draft(facts)
    trainings = [*(_trainings(read_manifest(adapter), adapter) if adapter else []), *_trainings(made, out)]
    base = Path(str(_adapter_settings(adapter or out).get("base_model_name_or_path") or ""))
    # A relative name means another folder wherever else the command is started.
    licence = _licence(base) if base.is_absolute() else None
    library = "peft" if (out / "adapter_config.json").is_file() else "transformers"
    write_atomic(out / CARD, _card(out.resolve().name, library, _origin(trainings), trainings, licence=licence))


def model_card(
    name: str, config: Mapping[str, Any], where: Path | str, adapter: Path | None, evaluation: Path | None = None
) -> str:
    """The card of an export.

    A model folder whose own card was written here keeps its text. Any other card is somebody's about another folder, so
    its licence alone is taken over.

    Args:
        config: of the export, with its ``format``, ``outtype`` and ``base``.
        where: the model's folder or hub id. ``adapter``: the round's folder.
        evaluation: a finished run of ``autovcoder eval run`` with the adapter, or else with the model.

    Raises:
        StoreError: a manifest cannot be read. InputError: the run is of another model.
    """
    library = _LIBRARY[config["format"]]
    measured = evaluation_table(adapter or where, evaluation) if evaluation else []
    if "outtype" in config:
        measured += [
            "## This copy",
            "",
            f"`model.gguf`, with the weights stored as {config['outtype']}. What is said of weights and pass rates on "
            "this page is of the model before its conversion.",
            "",
        ]
    if adapter is None and isinstance(where, Path) and _is_own(where):
        return _own_card(where, library, measured, replaced=evaluation is not None)
    folders = [folder for folder in (where, adapter) if isinstance(folder, Path) and (folder / MANIFEST).is_file()]
    trainings = [one for folder in folders for one in _trainings(read_manifest(folder), folder)]
    names = (config.get("base"), where)
    origin = next((one for one in names if isinstance(one, str) and is_hub_id(one)), None) or _origin(trainings)
    licence = _licence(where) if isinstance(where, Path) else None
    return _card(name, library, origin, trainings, measured, licence, is_measured=evaluation is not None)


def _is_own(folder: Path) -> bool:
    """Whether the card in a model folder was written by a stage of this package and is as that left it."""
    if not (folder / CARD).is_file():
        return False
    if not (folder / MANIFEST).is_file():
        return folder in [resolve(name) for name in PACKAGED]
    made = read_manifest(folder)
    return made.stage.startswith("finetune.") and made.sha256.get(CARD) == sha256_file(folder / CARD)


def _own_card(folder: Path, library: str, more: Sequence[str], *, replaced: bool) -> str:
    """The folder's card with ``more`` at its end, for another library; ``replaced``: it has a pass rate now."""
    from huggingface_hub import ModelCard

    card: Any = ModelCard((folder / CARD).read_text(encoding="utf-8"))
    card.data.library_name = library
    text = card.text.strip("\n")
    text = text.replace(_UNMEASURED, "") if replaced else text
    return "\n".join(["---", card.data.to_yaml(), "---", "", text, "", *more]).rstrip("\n") + "\n"


def _trainings(made: Manifest, folder: Path) -> list[Training]:
    """What made the weights in ``folder``, the rounds that it was stacked on before it, where they are still there."""
    name = made.facts.get("stacked_on")
    below = Path(name) if isinstance(name, str) else None
    is_there = below is not None and (below / MANIFEST).is_file() and hash_input(below) == made.inputs.get("model")
    rows = list(read_jsonl(folder / VALIDATIONS)) if (folder / VALIDATIONS).is_file() else []
    this = Training(made, rows, made.facts.get("lora") or ({} if below else describe_lora(folder)))
    return [*(_trainings(read_manifest(below), below) if below and is_there else []), this]


def _adapter_settings(folder: Path) -> dict[str, Any]:
    path = folder / "adapter_config.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def _origin(trainings: Sequence[Training]) -> str | None:
    """The hub's id of the model that the first training started from; None where that was a folder or nothing.

    Of manifests alone: whether a name is also a folder's depends on where the command is started.
    """
    for config, inputs in ((one.made.config, one.made.inputs) for one in trainings):
        name = config.get("base" if "base" in config or "base" in inputs else "model")
        if isinstance(name, str) and is_hub_id(name):
            return name
    return None


def _licence(folder: Path) -> str | None:
    """The licence that the card in a model's folder states."""
    from huggingface_hub import ModelCard
    from yaml import YAMLError

    try:
        card: Any = ModelCard((folder / CARD).read_text(encoding="utf-8"), ignore_metadata_errors=True)
    except (OSError, ValueError, YAMLError):
        return None  # somebody else's file, or none
    return card.data.license if isinstance(card.data.license, str) else None


def _card(
    name: str,
    library: str,
    base: str | None,
    trainings: Sequence[Training],
    measured: Sequence[str] = (),
    licence: str | None = None,
    *,
    is_measured: bool = False,
) -> str:
    told = [line for training in trainings for line in _told(training)]
    asks = any(training.made.stage in _ASKS for training in trainings)
    how = "It was trained with" if asks else "AutoVCoder asks it with"
    what = " that answers a problem in words with Verilog" if asks else " for Verilog" if trainings else ""
    lines = [
        "---",
        _front_matter(library, base, trainings, licence),
        "---",
        "",
        f"# {plain(name)}",
        "",
        f"A language model{what}, {'made' if trainings else 'exported'} by AutoVCoder {__version__}.",
        f"Made from {plain(base)}." if base else "Made from a model that was trained or kept in a folder.",
        "",
        *(["## How it was trained", "", *told, ""] if told else []),
        *measured,
        "## How to ask",
        "",
        f"{how} this system text before the problem, where its chat template takes one:",
        "",
        f"> {SYSTEM}",
        "",
    ]
    lines += [] if is_measured else _UNMEASURED.splitlines()
    lines += [
        "What the model writes must be simulated before use.",
        f"Its base is under the licence {plain(licence)}; what" if licence else "No licence is stated here; what",
        "the training data's licences add to that is for whoever publishes the model to say.",
        "",
    ]
    return "\n".join(lines)


def _front_matter(library: str, base: str | None, trainings: Sequence[Training], licence: str | None) -> str:
    from huggingface_hub import ModelCardData

    data = [training.made.facts["data"] for training in trainings if "data" in training.made.facts]
    head = ModelCardData(
        base_model=base,
        library_name=library,
        license=licence,
        pipeline_tag="text-generation",
        tags=[*(["verilog", "rtl"] if trainings else []), *(["lora"] if library == "peft" else [])] or None,
        # Not ``datasets``, where the hub wants ids of its own.
        training_data=[{"stage": one["stage"], "sha256": one["sha256"]} for one in data] or None,
    )
    return head.to_yaml()


def _told(training: Training) -> list[str]:
    made = training.made
    versions = ", ".join(f"{plain(name)} {plain(value)}" for name, value in made.versions.items())
    lines = [f"- {plain(made.stage)}: {listed(_numbers(made.facts))}; seed {made.seed}"]
    begun = "trained on from another" if "model" in made.inputs else "trained from nothing"
    lines += [f"  - {_WHAT[made.stage].format(begun=begun)}"] if made.stage in _WHAT else []
    if "stacked_on" in made.facts:
        lines.append("  - on top of another round's adapter, which is part of this one")
    given = made.config.get("sft") or {}
    recipe = made.facts.get("recipe") or {key: given[key] for key in _RECIPE if key in given}
    sections = {"adapter": training.lora, "settings": recipe}
    lines += [f"  - {title}: {listed(values)}" for title, values in sections.items() if values]
    lines += _data_lines(made.facts.get("data"))
    lines += [f"  - input {plain(name)}: sha256 `{plain(value)}`" for name, value in made.inputs.items()]
    lines += [f"  - versions: {versions}"]
    kept = (made.facts.get("validation") or {}).get("step")
    return [*lines, *validation_table(training.validations, kept)]


def _numbers(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that are numbers: texts among them may be places on this machine."""
    return {key: value for key, value in facts.items() if isinstance(value, (int, float))}


def _data_lines(data: Mapping[str, Any] | None) -> list[str]:
    if data is None:
        return []
    rows = ", ".join(f"{count:,} rows in {plain(file)}" for file, count in data["rows"].items())
    told = "; ".join(part for part in (rows, listed(data["facts"])) if part)
    return [f"  - data of {plain(data['stage'])}: {told}"]
