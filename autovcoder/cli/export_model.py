"""`autovcoder finetune export`: a trained model for other programs. Reads model folders; writes one, may push it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from autovcoder.cli.report_errors import busy, say
from autovcoder.cli.stage_options import Out, say_rows
from autovcoder.errors import InputError


def export_model(
    model: Annotated[str, typer.Option(help="The model: a folder, a Hugging Face id, or nano.")],
    out: Out,
    adapter: Annotated[Path | None, typer.Option(help="A finished round on this model, to be joined with it.")] = None,
    format: Annotated[
        Literal["safetensors", "adapter", "gguf", "ollama"],
        typer.Option(help="Merged weights, the adapter alone, one GGUF file, or that with a Modelfile for Ollama."),
    ] = "safetensors",
    base: Annotated[
        str | None, typer.Option(help="With --format adapter: the hub id or relative path by which others find MODEL.")
    ] = None,
    converter: Annotated[
        Path | None, typer.Option(help="llama.cpp's convert_hf_to_gguf.py; else AUTOVCODER_GGUF_CONVERTER or the PATH.")
    ] = None,
    gguf_type: Annotated[
        Literal["bf16", "f16", "f32", "q8_0"] | None, typer.Option(help="How a GGUF stores the weights; else bf16.")
    ] = None,
    evaluation: Annotated[
        Path | None, typer.Option(help="A finished `autovcoder eval run` of ADAPTER, or else of MODEL, for the card.")
    ] = None,
    push: Annotated[
        str | None, typer.Option(help="OWNER/NAME on the Hugging Face hub to upload to; private, by your HF token.")
    ] = None,
    public: Annotated[bool, typer.Option(help="Push to a repository that everybody can read.")] = False,
) -> None:
    """Write a trained model as other programs load it: transformers, vLLM, PEFT, llama.cpp, Ollama."""
    from finetune.export import export
    from finetune.hub import check_repository
    from finetune.hub import push as upload

    if push is not None:
        check_repository(push)
    elif public:
        raise InputError("--public is for --push", fix="leave it out, or give --push OWNER/NAME")
    with busy("exporting"):
        manifest = export(
            model, out, format, adapter=adapter, base=base, converter=converter, outtype=gguf_type,
            evaluation=evaluation,
        )  # fmt: skip
    say_rows(manifest, out)
    if push is not None:
        with busy("uploading"):
            address = upload(out, push, public=public)
        say(f"pushed: {address}")
