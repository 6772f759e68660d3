"""`autovcoder serve`: the model stays loaded, and answers programs in OpenAI's form and people on a page.

Reads a model and a library; writes nothing. The address goes to stdout as soon as questions are answered.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autovcoder.cli.report_errors import busy, emit, say

if TYPE_CHECKING:
    from autovcoder.models import TextModel
    from autovcoder.records import Context, Sampling


def serve(
    host: Annotated[str, typer.Option(help="The address to listen at; others than loopback are open to others.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    model: Annotated[
        str | None,
        typer.Option(help="A Hugging Face id, a model or adapter folder, or a served model's name [default: nano]"),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(metavar="URL", help="An OpenAI-compatible server that writes; key from OPENAI_API_KEY."),
    ] = None,
    rag: Annotated[
        bool | None,
        typer.Option(
            "--rag/--no-rag",
            help="Put what retrieval finds before each specification. [default: if you have a library]",
        ),
    ] = None,
    library: Annotated[Path | None, typer.Option(help="The library for --rag. [default: as `autovcoder rag`]")] = None,
    n: Annotated[
        int, typer.Option("-n", "--samples", min=1, max=64, help="How many answers are drawn unless a request says.")
    ] = 1,
    max_new_tokens: Annotated[
        int, typer.Option(min=1, help="The longest answer, in tokens; a request may ask for less.")
    ] = 1024,
    queue: Annotated[int, typer.Option(min=0, help="How many requests may wait; more are refused.")] = 16,
) -> None:
    """Serve a model that stays loaded: OpenAI's API, `generate-verilog` as JSON, and a page for people.

    One request is answered at a time. Ctrl-C ends it.
    """
    if endpoint is not None and model is None:
        raise typer.BadParameter("--endpoint needs --model NAME, the model's name on that server")
    from rag.places import has_own_library

    rag = library is not None or has_own_library() if rag is None else rag
    if not rag and library is not None:
        raise typer.BadParameter("--library goes with --rag")
    from autovcoder.cli.sampling import sampling_from
    from autovcoder.cli.show_result import as_document
    from autovcoder.models import open_model
    from autovcoder.serve.app import Defaults, application
    from autovcoder.serve.run import bound_socket, is_loopback, run, url_of
    from autovcoder.serve.service import Service, Shared
    from hdl_sim.icarus import Icarus
    from hdl_sim.sandbox import files_are_confined
    from hdl_sim.tools import find_tool

    # Before the model is loaded: these failures should not take seconds to show.
    find_tool("iverilog")
    bound = bound_socket(host, port)
    with busy("loading the model"):
        shared = Shared(sampling_from, as_document, _finder(library) if rag else None)
        writer = open_model(model or "nano", endpoint)
        service = Service(writer, Icarus(), shared, waiting=queue)
        service.warm(ask_model=endpoint is None)
    address = url_of(host, bound)

    def ready() -> None:
        emit(f"{address}\n")
        say(f"serving {writer.name}; open the address in a browser, or use {address}/v1 as an OpenAI server")
        if not is_loopback(bound):
            say("warning: whoever can reach this address can use the model and this machine's processors")
        if not files_are_confined():
            say("warning: without Landlock, a testbench that somebody sends can read and empty files of yours")

    run(application(service, Defaults(n, max_new_tokens), host=host), bound, service, ready)


def _finder(library: Path | None) -> Callable[[str, str | None, TextModel, Sampling], Context]:
    from autovcoder.cli.retrieval import contexts_for, searches
    from rag.context import ContextSettings
    from rag.library import open_library
    from rag.places import default_library

    stores, settings = searches(open_library(library or default_library())), ContextSettings()

    def find(spec: str, header: str | None, model: TextModel, sampling: Sampling) -> Context:
        return contexts_for([(spec, header)], model, stores, settings, sampling)[0]

    return find
