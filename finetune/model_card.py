"""Cards in the form of the Hugging Face hub: what a model was made from and how, and what it was measured to do.

Reads manifests, ``validation.jsonl``, an adapter's own settings and a run's ``report.json``; writes ``README.md``.
Nothing is stated that is not in one of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from autovcoder import __version__
from autovcoder.models.local import PACKAGED
from autovcoder.prompt import SYSTEM
from autovcoder.store import MANIFEST, Manifest, hash_input, read_jsonl, read_manifest, write_atomic
from finetune.reporting import evaluation_table, listed, plain, validation_table
from finetune.validation import FILE as VALIDATIONS

CARD = "README.md"
_LIBRARY = {"safetensors": "transformers", "adapter": "peft", "gguf": "gguf", "ollama": "gguf"}
_WHAT = {
    "finetune.pretrain": "a base model, trained from nothing",
    "finetune.round1": "LoRA on RTL texts: how Verilog is written",
    "finetune.round2": "LoRA on verified pairs: how a problem is solved, with the loss on the answers alone",
    "finetune.rl": "LoRA by reinforcement learning, rewarded by simulation",
    "finetune.merge": "an adapter joined with the model that it was trained on",
}
_RECIPE = (
    "learning_rate", "lr_scheduler_type", "warmup_steps", "num_train_epochs", "max_steps",
    "per_device_train_batch_size", "gradient_accumulation_steps", "max_length", "optim", "weight_decay", "adam_beta1",
    "adam_beta2", "max_grad_norm", "bf16", "fp16",
)  # fmt: skip
_LORA = ("peft_type", "r", "lora_alpha", "lora_dropout", "use_rslora", "use_dora", "target_modules")
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


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


def write_card(
    out: Path,
    *,
    stage: str,
    config: Mapping[str, Any],
    inputs: Mapping[str, str],
    seed: int | None,
    versions: Mapping[str, str],
    facts: Mapping[str, Any],
    adapter: Path | None = None,
) -> None:
    """Write the card of a stage that is about to finish, so that it is hashed with the other files.

    Args:
        out: the stage's folder, with all other files in place.
        inputs: names to hashes, as the manifest will hold them; the other arguments likewise.
        adapter: the folder of a finished round, when ``out`` is a model that it was merged into.

    Raises:
        StoreError: ``adapter`` is not finished, or the card cannot be written.
    """
    made = Manifest(
        stage=stage, rows={}, sha256={}, inputs=dict(inputs), config=dict(config), versions=dict(versions), seed=seed,
        finished="", facts=dict(facts),
    )  # fmt: skip
    trainings = [*([_training(adapter)] if adapter else []), _with_files(made, out)]
    write_atomic(
        out / CARD,
        _card(out.resolve().name, _library(out), _base(adapter or out), trainings, licence=_licence(adapter or out)),
    )


def finished_card(folder: Path, evaluation: Path | None = None, *, adapter: Path | None = None) -> str:
    """The card of a finished stage folder; the folder itself, whose files are hashed, stays as it is.

    Args:
        evaluation: a folder of ``autovcoder eval run`` with a measurement of this very model.
        adapter: as for `write_card`.

    Raises:
        StoreError: the folder is not finished. InputError: there is no whole report, or it is of other weights.
    """
    trainings = [*([_training(adapter)] if adapter else []), _training(folder)]
    measured = evaluation_table(folder, evaluation) if evaluation else []
    origin = adapter or folder
    return _card(folder.resolve().name, _library(folder), _base(origin), trainings, measured, _licence(origin))


def model_card(name: str, form: str, where: Path | str, adapter: Path | None, base: str | None) -> str:
    """The card of an export; a model folder's own card where the export changed nothing of the model.

    Args:
        form: the form of the export. ``where``: the model's folder or hub id. ``adapter``: the round's folder.
        base: the name by which others find an adapter's base.

    Raises:
        StoreError: a manifest cannot be read.
    """
    if adapter is None and isinstance(where, Path) and (where / CARD).is_file():
        return (where / CARD).read_text(encoding="utf-8")
    folders = [folder for folder in (where, adapter) if isinstance(folder, Path) and (folder / MANIFEST).is_file()]
    origin = base or (where if isinstance(where, str) else None)
    return _card(name, _LIBRARY[form], origin, [_training(folder) for folder in folders])


def _training(folder: Path) -> Training:
    return _with_files(read_manifest(folder), Path(folder))


def _with_files(made: Manifest, folder: Path) -> Training:
    rows = list(read_jsonl(folder / VALIDATIONS)) if (folder / VALIDATIONS).is_file() else []
    return Training(made, rows, _adapter_settings(folder))


def _adapter_settings(folder: Path) -> dict[str, Any]:
    path = folder / "adapter_config.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def _library(folder: Path) -> str:
    return "peft" if (Path(folder) / "adapter_config.json").is_file() else "transformers"


def _base(folder: Path) -> str | None:
    """The hub's id of the model that an adapter was trained on; None where that is a folder of this machine."""
    name = str(_adapter_settings(Path(folder)).get("base_model_name_or_path") or "")
    is_id = _HUB_ID.fullmatch(name) and name not in PACKAGED and not Path(name).exists()
    return name if is_id else None


def _licence(folder: Path) -> str | None:
    """The licence that the card of an adapter's base states, where that is a folder with a card."""
    from huggingface_hub import ModelCard
    from yaml import YAMLError

    path = Path(str(_adapter_settings(Path(folder)).get("base_model_name_or_path") or "")) / CARD
    try:
        card: Any = ModelCard(path.read_text(encoding="utf-8"), ignore_metadata_errors=True)
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
) -> str:
    from huggingface_hub import ModelCardData

    data = [training.made.facts["data"] for training in trainings if "data" in training.made.facts]
    head = ModelCardData(
        base_model=base,
        library_name=library,
        license=licence,
        pipeline_tag="text-generation",
        tags=["verilog", "rtl", *(["lora"] if library == "peft" else [])],
        # Not ``datasets``, where the hub wants ids of its own.
        training_data=[{"stage": one["stage"], "sha256": one["sha256"]} for one in data] or None,
    )
    told = [line for training in trainings for line in _told(training)]
    lines = [
        "---",
        head.to_yaml(),
        "---",
        "",
        f"# {plain(name)}",
        "",
        f"A language model that answers a problem in words with Verilog, made by AutoVCoder {__version__}.",
        f"Made from {plain(base)}." if base else "Made from a model that was trained or kept in a folder.",
        "",
        *(["## How it was trained", "", *told, ""] if told else []),
        *measured,
        "## How to ask",
        "",
        "It was trained with this system text before the problem, where its chat template takes one:",
        "",
        f"> {SYSTEM}",
        "",
        *([] if measured else ["No pass rate on a benchmark is stated here: `autovcoder eval run` measures it."]),
        "What the model writes must be simulated before use.",
        f"Its base is under the licence {plain(licence)}; what" if licence else "No licence is stated here; what",
        "the training data's licences add to that is for whoever publishes the model to say.",
        "",
    ]
    return "\n".join(lines)


def _told(training: Training) -> list[str]:
    made = training.made
    versions = ", ".join(f"{plain(name)} {plain(value)}" for name, value in made.versions.items())
    lines = [f"- {plain(made.stage)}: {listed(_numbers(made.facts))}; seed {made.seed}"]
    lines += [f"  - {_WHAT[made.stage]}"] if made.stage in _WHAT else []
    chosen = {key: training.lora.get(key) for key in _LORA}
    lora = {key: value for key, value in chosen.items() if value is not None and value is not False}
    given = made.config.get("sft") or {}
    recipe = made.facts.get("recipe") or {key: given[key] for key in _RECIPE if key in given}
    sections = {"adapter": lora, "settings": recipe}
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
