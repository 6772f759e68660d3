"""Generation by transformers' own `generate()`, for the models whose steps `decoding` cannot prepare itself.

Reads a loaded model and the tokens of prompts; gives back tokens. Slower: every row reads its prompt for itself, and
rows that have ended are carried along until the last one ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autovcoder.models.decoding import Sampler
from autovcoder.models.local import CHECK_EVERY, Finished, Row
from autovcoder.records import Sampling


def generate(
    model: Any,
    rows: Sequence[Row],
    limit: int,
    sampling: Sampling,
    ends: frozenset[int],
    finished: Finished,
    *,
    keep_end: bool = False,
) -> list[list[int]]:
    """As `decoding.decode`: up to ``limit`` new tokens for each row; the one of ``ends`` is left out, or kept."""
    import torch
    import transformers
    from transformers import LogitsProcessorList, StoppingCriteriaList

    make_config: Any = transformers.GenerationConfig
    pad = min(ends, default=0)
    width = max(len(row.tokens) for row in rows)
    ids = torch.tensor([[pad] * (width - len(r.tokens)) + list(r.tokens) for r in rows], device=model.device)
    mask = torch.tensor([[0] * (width - len(r.tokens)) + [1] * len(r.tokens) for r in rows], device=model.device)
    config = make_config(max_new_tokens=limit, do_sample=False, eos_token_id=sorted(ends) or None, pad_token_id=pad)
    stopper = _stopper(rows, width, ends, finished)
    processors = [_sampler(rows, sampling, model.device)] if sampling.temperature > 0 else []
    output = model.generate(
        input_ids=ids,
        attention_mask=mask,
        generation_config=config,
        logits_processor=LogitsProcessorList(processors),
        stopping_criteria=StoppingCriteriaList([stopper]),
    )
    # A row that was stopped before the others is padded from there on.
    answers = [row[width:][: stopper.length.get(i)] for i, row in enumerate(output.tolist())]
    return [_until_end(answer, ends, keep_end) for answer in answers]


def _until_end(tokens: list[int], ends: frozenset[int], keep_end: bool) -> list[int]:
    return next((tokens[: i + keep_end] for i, token in enumerate(tokens) if token in ends), tokens)


def _stopper(rows: Sequence[Row], width: int, ends: frozenset[int], finished: Finished) -> Any:
    """A stopping criterion with a verdict for each row; ``width`` is the padded prompts' length."""
    import torch
    from transformers import StoppingCriteria

    class Stopper(StoppingCriteria):
        """``length``: row to the number of its new tokens when it was found complete."""

        def __init__(self) -> None:
            self.length: dict[int, int] = {}

        def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:  # noqa: ARG002
            new = input_ids.shape[1] - width
            if new % CHECK_EVERY == 0:
                for i, tokens in enumerate(input_ids[:, width:].tolist()):
                    # generate() itself knows a row that met its end token as done.
                    if i not in self.length and ends.isdisjoint(tokens) and finished(rows[i], tokens):
                        self.length[i] = new
            return torch.tensor([i in self.length for i in range(len(input_ids))], device=input_ids.device)

    return Stopper()


def _sampler(rows: Sequence[Row], sampling: Sampling, device: Any) -> Any:
    """A logits processor that leaves the token drawn for each row as the only one possible."""
    import torch
    from transformers import LogitsProcessor

    draw = Sampler(rows, sampling, device)

    class Drawn(LogitsProcessor):
        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
            only = torch.full_like(scores, float("-inf"))
            return only.scatter(-1, draw(scores, range(len(rows)))[:, None], 0.0)

    return Drawn()
