"""A trained model in the form that other programs load: merged weights, an adapter, GGUF, or Ollama's files.

Reads a model (folder, hub id or ``nano``) and perhaps a round's adapter; writes a stage folder that names no place on
this machine. All of it is made in a hidden folder and moved into place when it is whole, what makes it loadable last.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from autovcoder.errors import AutoVCoderError, InputError, ModelError, StoreError
from autovcoder.files import replace_folder, write_atomic, writing
from autovcoder.models.local import resolve
from autovcoder.models.transformers_engine import quiet
from autovcoder.models.weights import check_origin, is_adapter, load_weights
from autovcoder.store import MANIFEST, STARTED, Manifest, Stage, hash_input, read_manifest
from finetune.gguf import OutType, convert, find_converter, modelfile
from finetune.merge import merge
from finetune.model_card import CARD, model_card
from finetune.trainer import model_input

Format = Literal["safetensors", "adapter", "gguf", "ollama"]
_STAGE = "finetune.export"
_WORK = ".export.partial"
# A folder without these is no model to any program, so they are moved into place after all others.
_LAST = ("adapter_config.json", "config.json", "Modelfile")


def export(
    model: str,
    out: Path,
    form: Format = "safetensors",
    *,
    adapter: Path | None = None,
    base: str | None = None,
    converter: Path | None = None,
    outtype: OutType | None = None,
    evaluation: Path | None = None,
) -> Manifest:
    """Write ``model`` to ``out`` in one form.

    Args:
        model: a folder, a Hugging Face id or ``nano``. ``adapter``: a finished round to be joined with it, or, in the
            form "adapter", to be handed on alone.
        base: in the form "adapter", the hub id or relative path by which others find ``model``, where it is a folder.
        converter: llama.cpp's ``convert_hf_to_gguf.py``; found by itself where it is on the PATH.
        outtype: how the weights are stored in a GGUF; bf16 where nothing else is said.
        evaluation: a finished run of ``autovcoder eval run`` with ``adapter``, or else with ``model``, for the card.

    Raises:
        InputError: the arguments do not go together, or the adapter was trained on another model.
        ModelError: the model cannot be loaded. StoreError: ``out`` holds something else.
        ToolMissing: there is no converter. ToolFailed: it cannot convert this model.
    """
    where = resolve(model)
    _check_options(form, adapter, base, converter or outtype)
    _check_folders(where, out, adapter)
    config, inputs = model_input(str(where))
    config["format"] = form
    inputs |= {name: path for name, path in (("adapter", adapter), ("evaluation", evaluation)) if path is not None}
    if form == "adapter":
        config["base"] = _base_elsewhere(where, base)
    if form in ("gguf", "ollama"):
        config["outtype"] = outtype or "bf16"
        if converter is None and (made := _finished(out, config, inputs)):
            return made  # without a converter, which only the making of it needed
        inputs["converter"] = find_converter(converter)
    with Stage(out, _STAGE, config=config, inputs=inputs, versions=_versions()) as stage:
        if stage.manifest:
            return stage.manifest
        if adapter is not None:
            check_origin(str(where), stage.inputs.get("model"), adapter)
        card = model_card(out.resolve().name, config, where, adapter, evaluation)
        loaded = _load(where) if adapter is None else None
        stage.start()
        return stage.finish(**_write(out, config, where, adapter, loaded, card, inputs.get("converter")))


def _write(
    out: Path,
    config: Mapping[str, Any],
    where: Path | str,
    adapter: Path | None,
    loaded: tuple[Any, Any] | None,
    card: str,
    converter: Path | None,
) -> dict[str, Any]:
    """Make the export in a new hidden folder and move it into place; returns the facts."""
    with writing(out):
        shutil.rmtree(out / _WORK, ignore_errors=True)
        (out / _WORK).mkdir(exist_ok=True)
        # A new one each time: of a run that was killed, a converter may be alive and still write into the old one.
        work = Path(tempfile.mkdtemp(dir=out / _WORK))
        made = work / config["format"]
        made.mkdir()
    if adapter is not None and config["format"] == "adapter":
        facts = _write_adapter(adapter, made, config["base"])
    elif converter is not None:
        model = work / "model"
        facts = _write_model(loaded or _merged(where, adapter, work / "merged"), model)
        facts |= _write_gguf(model, made, converter, config, out.resolve().name)
    else:
        facts = _write_model(loaded or _merged(where, adapter, work / "merged"), made)
    write_atomic(made / CARD, card)
    _move_into_place(made, out)
    return facts


def _check_options(form: Format, adapter: Path | None, base: str | None, of_gguf: object) -> None:
    if base is not None and form != "adapter":
        raise InputError("--base is for --format adapter", where=base, fix="leave it out")
    if of_gguf is not None and form not in ("gguf", "ollama"):
        raise InputError("--converter and --gguf-type are for --format gguf or ollama", fix="leave them out")
    if adapter is None and form == "adapter":
        raise InputError("no adapter to export", fix="give the finished round as --adapter")


def _check_folders(where: Path | str, out: Path, adapter: Path | None) -> None:
    """Refuse an adapter as the model, and to write among files that are not an export's."""
    if isinstance(where, Path) and is_adapter(where):
        raise InputError("this is an adapter", where=where, fix="give its base as --model and this as --adapter")
    for source in (where, adapter):
        if isinstance(source, Path) and out.resolve().is_relative_to(source.resolve()):
            raise InputError("an export cannot be written into what it is made from", where=out, fix="choose another")
    if not out.is_dir() or (out / STARTED).exists() or (out / MANIFEST).exists():
        return
    if any(not path.name.startswith(".") for path in out.iterdir()):
        raise StoreError("the folder holds other files", where=out, fix="choose a new folder")


def _finished(out: Path, config: Mapping[str, Any], inputs: Mapping[str, Path]) -> Manifest | None:
    """The manifest of the same export, whatever converter made it; None where ``out`` is anything else."""
    if not (out / MANIFEST).is_file():
        return None
    made = read_manifest(out)
    read = {name: content for name, content in made.inputs.items() if name != "converter"}
    same = made.stage == _STAGE and made.config == config
    return made if same and read == {name: hash_input(path) for name, path in inputs.items()} else None


def _base_elsewhere(where: Path | str, base: str | None) -> str:
    """By what name others find the adapter's base: a path of this machine would mean nothing to them."""
    if base is None and not isinstance(where, Path):
        return where
    if base is None:
        raise InputError(
            "the adapter's base is a folder of this machine, which means nothing elsewhere",
            where=where,
            fix="give the hub id or the relative path by which others find it as --base",
        )
    if not base.strip() or base.startswith(("/", "~")) or any(c.isspace() for c in base):
        raise InputError("no base that others could find", where=repr(base), fix="give a hub id or a relative path")
    return base


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "transformers", "peft", "safetensors")}


def _load(where: Path | str) -> tuple[Any, Any]:
    """The model in bf16 and its tokenizer; code that a folder brings along is not run."""
    import torch
    from transformers import AutoTokenizer

    try:
        with quiet():
            model = load_weights(where, dtype=torch.bfloat16)
            return model, AutoTokenizer.from_pretrained(where, trust_remote_code=False)
    except AutoVCoderError:
        raise
    # Whatever the libraries raise while loading (there are dozens of kinds), the model cannot be loaded.
    except Exception as error:
        raise ModelError("cannot load the model", where=where, fix=_first_line(error)) from None


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _merged(where: Path | str, adapter: Path | None, folder: Path) -> tuple[Any, Any]:
    assert adapter is not None  # noqa: S101 (without one, the model has been loaded already)
    merge(str(where), adapter, folder)
    return _load(folder)


def _write_model(loaded: tuple[Any, Any], folder: Path) -> dict[str, Any]:
    """A Hugging Face model folder that any server can take as it is."""
    model, tokenizer = loaded
    generation = model.generation_config
    # What a training switches off, and what a server needs to know where an answer ends.
    model.config.use_cache = True
    if generation.eos_token_id is None:
        generation.eos_token_id = tokenizer.eos_token_id
    if generation.pad_token_id is None:
        generation.pad_token_id = tokenizer.pad_token_id
    try:
        with quiet():
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
    except ValueError as error:
        raise ModelError("transformers refuses to save the model", fix=_first_line(error)) from None
    for name in ("config.json", "tokenizer_config.json"):
        _without_code(folder / name)
    return {"parameters": model.num_parameters()}


def _without_code(path: Path) -> None:
    """Take out the mention of Python code that would be loaded with the model: it was neither used nor copied here."""
    settings = json.loads(path.read_text(encoding="utf-8"))
    if settings.pop("auto_map", None) is not None:
        write_atomic(path, json.dumps(settings, indent=2) + "\n")


def _write_adapter(adapter: Path, folder: Path, base: str) -> dict[str, Any]:
    """The adapter's weights as they are, its settings without this machine's paths, and the tokenizer."""
    from safetensors import safe_open
    from transformers import AutoTokenizer

    try:
        settings = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
        settings["base_model_name_or_path"] = base
        shutil.copyfile(adapter / "adapter_model.safetensors", folder / "adapter_model.safetensors")
        with safe_open(folder / "adapter_model.safetensors", "pt") as weights:
            shapes = [weights.get_slice(name).get_shape() for name in weights.keys()]  # noqa: SIM118 (it is no mapping)
        with quiet():
            AutoTokenizer.from_pretrained(adapter, trust_remote_code=False).save_pretrained(folder)
    # As in `_load`.
    except Exception as error:
        raise InputError("not a whole PEFT adapter", where=adapter, fix=_first_line(error)) from None
    write_atomic(folder / "adapter_config.json", json.dumps(settings, indent=2, sort_keys=True) + "\n")
    _without_code(folder / "tokenizer_config.json")
    return {"parameters": sum(math.prod(shape) for shape in shapes)}


def _write_gguf(model: Path, folder: Path, converter: Path, config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The GGUF of the model folder ``model``, and for Ollama its Modelfile; returns the file's size."""
    from transformers import AutoTokenizer, GenerationConfig

    if config["format"] == "ollama":
        tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
        declared: Any = GenerationConfig.from_pretrained(model).eos_token_id
        ends = declared if isinstance(declared, list) else [declared]
        ids = dict.fromkeys(token for token in [*ends, tokenizer.eos_token_id] if token is not None)
        text = modelfile(tokenizer, [str(tokenizer.convert_ids_to_tokens(token)) for token in ids])
        write_atomic(folder / "Modelfile", text)
    convert(model, folder / "model.gguf", converter, config["outtype"], name)
    return {"gguf_bytes": (folder / "model.gguf").stat().st_size}


def _move_into_place(made: Path, out: Path) -> None:
    with writing(out):
        for path in sorted(made.iterdir(), key=lambda path: (path.name in _LAST, path.name)):
            # Weights come from safetensors as private files; a server may run as somebody else.
            for file in (path, *path.rglob("*")):
                if file.is_file():
                    shutil.copymode(out / STARTED, file)
            if path.is_dir():
                replace_folder(path, out / path.name)
            else:
                path.replace(out / path.name)
        shutil.rmtree(out / _WORK)
