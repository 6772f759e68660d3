"""How a command that asks a model samples it: one answer greedily, several as the authors of VerilogEval draw them.

Reads the flags, None where one was not given; writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from autovcoder.records import Sampling


def sampling_from(n: int, temperature: float | None, top_p: float | None, seed: int, max_new_tokens: int) -> Sampling:
    """The sampling asked for; for several answers temperature 0.8 and top-p 0.95 unless given.

    Raises:
        typer.BadParameter: a value is out of range.
    """
    from pydantic import ValidationError

    from autovcoder.records import Sampling

    several = n > 1
    try:
        return Sampling(
            n=n,
            temperature=(0.8 if several else 0.0) if temperature is None else temperature,
            top_p=(0.95 if several else 1.0) if top_p is None else top_p,
            seed=seed,
            max_new_tokens=max_new_tokens,
        )
    except ValidationError as error:
        first = error.errors()[0]
        flag = str(first["loc"][0]).replace("_", "-")
        raise typer.BadParameter(f"--{flag}: {first['msg']}") from None
