"""A trained model in the form that other programs load: merged weights, an adapter, GGUF, or Ollama's files.

Reads a model (folder, hub id or ``nano``) and perhaps a round's adapter; writes a stage folder that names no place on
this machine. All of it is made in a hidden folder and moved into place when it is whole, what makes it loadable last.
"""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any, Literal

from autovcoder.errors import InputError, ModelError, StoreError
from autovcoder.models.local import resolve
from autovcoder.models.transformers_engine import quiet
from autovcoder.store import STARTED, Manifest, Stage, write_atomic
from finetune.adapters import check_origin
from finetune.gguf import OutType, convert, find_converter, modelfile
from finetune.merge import merge
from finetune.model_card import model_card
from finetune.trainer import model_input

Format = Literal["safetensors", "adapter", "gguf", "ollama"]
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
    outtype: OutType = "bf16",
) -> Manifest:
    """Write ``model`` to ``out`` in one form.

    Args:
        model: a folder, a Hugging Face id or ``nano``. ``adapter``: a finished round to be joined with it, or, in the
            form "adapter", to be handed on alone.
        base: in the form "adapter", the hub id or relative path by which others find ``model``, where it is a folder.
        converter: llama.cpp's ``convert_hf_to_gguf.py``; found by itself where it is on the PATH.
        outtype: how the weights are stored in a GGUF.

    Raises:
        InputError: the arguments do not go together, or the adapter was trained on another model.
        ModelError: the model cannot be loaded. StoreError: ``out`` holds another run's work.
        ToolMissing: there is no converter. ToolFailed: it cannot convert this model.
    """
    where = resolve(model)
    config, inputs = model_input(str(where))
    config["format"] = form
    if adapter is not None:
        inputs["adapter"] = adapter
    if form == "adapter":
        config["base"] = _base_elsewhere(where, adapter, base)
    elif isinstance(where, Path) and not (where / "config.json").is_file():
        raise InputError("this is an adapter", where=model, fix="give its base as --model and this as --adapter")
    if form in ("gguf", "ollama"):
        inputs["converter"] = find_converter(converter)
        config["outtype"] = outtype
    with Stage(out, "finetune.export", config=config, inputs=inputs, versions=_versions()) as stage:
        if stage.manifest:
            return stage.manifest
        if adapter is not None:
            check_origin(str(where), stage.inputs.get("model"), adapter)
        loaded = _load(where) if adapter is None else None
        card = model_card(out.resolve().name, form, where, adapter, config.get("base"))
        stage.start()
        if adapter is not None and form == "adapter":
            made = _new_folder(out / _WORK / "adapter", card)
            facts = _write_adapter(adapter, made, config["base"])
        else:
            made = _new_folder(out / _WORK / "model", card)
            facts = _write_model(loaded or _merged(where, adapter, out / _WORK / "merged"), made)
        if "converter" in inputs:
            made, facts = _write_gguf(made, card, inputs["converter"], outtype, form, facts)
        _move_into_place(made, out)
        return stage.finish(**facts)


def push(out: Path, repository: str, *, public: bool = False) -> str:
    """Upload a finished export to a repository of the Hugging Face hub, in one commit; returns its address.

    The repository is made where there is none, and is private unless ``public``. The token comes from ``HF_TOKEN`` or
    an earlier login.

    Raises:
        InputError: the repository is public already and ``public`` was not asked for.
        ModelError: the hub cannot be reached or refuses.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError

    # What the hub answers is also an error of its HTTP library, the name of which differs from version to version.
    failures: Any = (HfHubHTTPError.__bases__[0], OSError, ValueError, RuntimeError)
    api = HfApi()
    files = sorted(path for path in out.rglob("*") if path.is_file() and not path.name.startswith("."))
    operations = [CommitOperationAdd(path.relative_to(out).as_posix(), path) for path in files]
    try:
        api.create_repo(repository, private=not public, exist_ok=True)
        if not public and not api.repo_info(repository).private:
            raise InputError(
                "the repository is public", where=repository, fix="give --public, or push to another repository"
            )
        done = api.create_commit(repository, operations, commit_message="Export of AutoVCoder")
    except failures as error:
        raise _push_error(repository, error) from None
    return str(done.repo_url)


def _push_error(repository: str, error: Exception) -> ModelError:
    said = str(error).strip().splitlines() or [type(error).__name__]
    return ModelError(
        f"cannot push to the hub ({said[0]})",
        where=repository,
        fix="check the name, the network and the token: set HF_TOKEN or run `hf auth login`",
    )


def _base_elsewhere(where: Path | str, adapter: Path | None, base: str | None) -> str:
    """By what name others find the adapter's base: a path of this machine would mean nothing to them."""
    if adapter is None:
        raise InputError("no adapter to export", fix="give the finished round as --adapter")
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
    from transformers import AutoModelForCausalLM, AutoTokenizer

    auto_model: Any = AutoModelForCausalLM
    try:
        with quiet():
            model, report = auto_model.from_pretrained(where, dtype=torch.bfloat16, output_loading_info=True)
            tokenizer = AutoTokenizer.from_pretrained(where)
    except (OSError, ValueError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError("cannot load the model", where=where, fix=said[0]) from None
    if report["missing_keys"]:
        raise ModelError("the checkpoint lacks weights", where=where, fix=", ".join(sorted(report["missing_keys"])[:3]))
    return model, tokenizer


def _merged(where: Path | str, adapter: Path | None, folder: Path) -> tuple[Any, Any]:
    assert adapter is not None  # noqa: S101 (without one, the model has been loaded already)
    merge(str(where), adapter, folder)
    return _load(folder)


def _write_model(loaded: Any, folder: Path) -> dict[str, Any]:
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
        raise ModelError("transformers refuses to save the model", fix=str(error).strip().splitlines()[0]) from None
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
        shutil.copyfile(adapter / "adapter_model.safetensors", folder / "adapter_model.safetensors")
    except (OSError, ValueError) as error:
        raise InputError("not a PEFT adapter", where=adapter, fix=str(error)) from None
    settings["base_model_name_or_path"] = base
    write_atomic(folder / "adapter_config.json", json.dumps(settings, indent=2, sort_keys=True) + "\n")
    with quiet():
        AutoTokenizer.from_pretrained(adapter).save_pretrained(folder)
    _without_code(folder / "tokenizer_config.json")
    with safe_open(folder / "adapter_model.safetensors", "pt") as weights:
        shapes = [weights.get_slice(name).get_shape() for name in weights.keys()]  # noqa: SIM118 (it is no mapping)
    return {"parameters": sum(math.prod(shape) for shape in shapes)}


def _write_gguf(
    model: Path, card: str, converter: Path, outtype: OutType, form: Format, facts: dict[str, Any]
) -> tuple[Path, dict[str, Any]]:
    """The folder with the GGUF of ``model``, beside that, and the facts with its size."""
    from transformers import AutoTokenizer, GenerationConfig

    folder, name = _new_folder(model.with_name("gguf"), card), model.parents[1].resolve().name
    if form == "ollama":
        tokenizer = AutoTokenizer.from_pretrained(model)
        declared: Any = GenerationConfig.from_pretrained(model).eos_token_id
        ends = declared if isinstance(declared, list) else [declared]
        ids = dict.fromkeys(token for token in [*ends, tokenizer.eos_token_id] if token is not None)
        text = modelfile(tokenizer, [str(tokenizer.convert_ids_to_tokens(token)) for token in ids])
        write_atomic(folder / "Modelfile", text)
    convert(model, folder / "model.gguf", converter, outtype, name)
    return folder, facts | {"gguf_bytes": (folder / "model.gguf").stat().st_size}


def _new_folder(folder: Path, card: str) -> Path:
    """The folder with the model card, without what an interrupted run left there."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    except OSError as error:
        raise StoreError("cannot write", where=folder, fix=error.strerror or str(error)) from None
    write_atomic(folder / "README.md", card)
    return folder


def _move_into_place(made: Path, out: Path) -> None:
    try:
        for path in sorted(made.iterdir(), key=lambda path: (path.name in _LAST, path.name)):
            # Weights come from safetensors as private files; a server may run as somebody else.
            shutil.copymode(out / STARTED, path)
            path.replace(out / path.name)
        shutil.rmtree(out / _WORK)
    except OSError as error:
        raise StoreError("cannot write", where=out, fix=error.strerror or str(error)) from None
