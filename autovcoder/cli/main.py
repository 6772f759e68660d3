"""The two commands: `autovcoder` with everything, and `generate-verilog` for the one thing asked for most.

Reads the arguments; each subcommand lives in its own module and imports what is heavy only when it runs, so that
``--help`` answers at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from autovcoder import __version__
from autovcoder.cli import data, doctor, evaluate, finetune, generate, rag, rag_controls, reproduce, serve
from autovcoder.cli.report_errors import run_app


def _new_app(**settings: object) -> typer.Typer:
    return typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        **settings,  # type: ignore[arg-type]
    )


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"autovcoder {__version__}")
        raise typer.Exit


app = _new_app(no_args_is_help=True, help="Makes language models write correct Verilog.")
app.command("generate")(generate.generate)
app.command("serve")(serve.serve)
app.command("doctor")(doctor.doctor)
app.add_typer(data.app, name="data")
app.add_typer(finetune.app, name="finetune")
rag.app.command("controls")(rag_controls.controls)
app.add_typer(rag.app, name="rag")
app.add_typer(evaluate.app, name="eval")
app.command("reproduce")(reproduce.reproduce)

_one_command = _new_app()
_one_command.command("generate-verilog")(generate.generate)


@app.callback()
def _everything(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """The console script ``autovcoder``."""
    run_app(app, "autovcoder")


def generate_verilog() -> None:
    """The console script ``generate-verilog``."""
    run_app(_one_command, "generate-verilog")
