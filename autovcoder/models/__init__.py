"""The seam to language models: whoever asks for Verilog asks a `TextModel`, wherever its weights are.

Reads a model's name; `local` runs weights on this machine, `endpoint` asks a server. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from autovcoder import prompt
from autovcoder.errors import ModelError
from autovcoder.records import Sampling

Stop = Callable[[int, str], bool]
"""Given the index of a prompt and an answer to it so far, whether that is complete."""


class TextModel(Protocol):
    """A language model that answers problems."""

    @property
    def name(self) -> str:
        """What results are filed under: ``nano``, a Hugging Face id, a folder, or a served model's name."""

    @property
    def context(self) -> int | None:
        """How many tokens, prompt and answer together, it can see; None where that is not known."""

    def count_tokens(self, text: str) -> int:
        """How many tokens a part of a prompt takes; about as many where its tokenizer is not at hand."""

    def complete(
        self,
        prompts: Sequence[str],
        sampling: Sampling,
        *,
        starts: Sequence[str] = (),
        stop: Stop | None = None,
        seeded_by: Sequence[str] = (),
    ) -> list[list[str]]:
        """Answer each prompt ``sampling.n`` times.

        Args:
            prompts: what the user asks (`prompt.user_text`); the model puts its chat template around it.
            sampling: the same prompt, seed and index give the same answer, whatever else is asked beside them.
            starts: for each prompt, what the code of an answer may begin with, or nothing. A local model that
                answers with code alone is handed it as the start of its answer, so that a stated header is not
                miscopied; others, who may think or explain first, write everything themselves.
            stop: whether an answer is complete and its generation can end; asked every few tokens. A local model
                cuts off what it generated after the token that completes the answer, and nothing else.
            seeded_by: for each prompt the text that stands for it in the seeds of its answers, by default the prompt
                itself. Prompts that share it draw from the same random streams, so that answers differ by the prompts
                alone.

        Returns:
            ``len(prompts)`` lists of ``sampling.n`` answers, without the prompt and with their starts.

        Raises:
            ModelError: the model cannot be used, or a prompt does not fit into its context.
        """


def open_model(name: str, endpoint: str | None = None) -> TextModel:
    """The model called ``name`` on this machine, or behind the OpenAI-compatible server at ``endpoint``.

    Raises:
        ModelError: it cannot be loaded (local) or the address is not one (endpoint; not contacted yet).
    """
    if not name.strip():
        raise ModelError("the model's name is empty", fix="give 'nano', a Hugging Face id, or a folder")
    if endpoint is not None:
        from autovcoder.models.endpoint import EndpointModel

        return EndpointModel(endpoint, name)
    from autovcoder.models.local import LocalModel

    return LocalModel(name)


def folded(user: str) -> list[prompt.Message]:
    """The conversation for a template that refuses the system role: its text goes before the user's."""
    return [{"role": "user", "content": f"{prompt.SYSTEM}\n\n{user}"}]
