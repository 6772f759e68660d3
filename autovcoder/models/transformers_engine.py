"""Runs any causal language model that transformers can load, with LoRA adapters through peft.

Reads weights and tokenizer from a folder or the Hugging Face cache; writes nothing. On a GPU when there is one.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from autovcoder import prompt
from autovcoder.errors import AutoVCoderError, ModelError
from autovcoder.models import folded
from autovcoder.models.local import Finished, Row
from autovcoder.models.packed import pack_linears
from autovcoder.models.weights import base_of, is_adapter, load_weights
from autovcoder.records import Sampling

# On a CPU, 16-bit arithmetic is slower than 32-bit; above this many parameters the memory matters more.
_FLOAT32_UP_TO = 2_000_000_000
# Rows that run at once with profit: the cache of more of them fits beside the weights of smaller models.
_ROWS = ((100_000_000, 80), (1_000_000_000, 32))
_ROWS_OF_LARGE = 16


class TransformersEngine:
    """One loaded model: text to tokens, tokens to more tokens, tokens to text.

    Args:
        model: any causal language model of transformers, wrapped by peft or not; it is left as it was.
        tokenizer: its tokenizer.

    Attributes:
        context: how many tokens, prompt and answer together, the model can see; None when its config does not say.
        batch_size: how many rows it runs at once with profit.
        answers_with_code: its answers begin with code, because it was trained so, or because a model without a chat
            template goes on behind an opened fence.
        ends: the tokens that end an answer.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model, self._tokenizer = model, tokenizer
        trained_so = self._tokenizer.init_kwargs.get(prompt.ANSWERS_WITH_CODE) is True
        self.answers_with_code = trained_so or not self._tokenizer.chat_template
        self.context = _context(self._model.config)
        size = model.num_parameters()
        self.batch_size = next((rows for most, rows in _ROWS if size <= most), _ROWS_OF_LARGE)
        self.ends = _end_tokens(self._model, self._tokenizer)

    @classmethod
    def load(cls, where: Path | str, name: str) -> Self:
        """The model at ``where``, a folder or a Hugging Face id; ``name`` is what messages call it.

        Raises:
            ModelError: it cannot be loaded. InputError: it is an adapter that was not trained on the base it names.
        """
        with quiet():
            try:
                engine = cls(*_load(where))
                pack_linears(engine._model)
                return engine
            except AutoVCoderError:
                raise
            # Whatever the libraries raise while loading (there are dozens of kinds), the model cannot be loaded.
            except Exception as error:
                raise _load_error(where, name, error) from None

    def encode(self, user: str) -> list[int]:
        """The tokens of the whole prompt: the user's text within the model's chat template."""
        if not self._tokenizer.chat_template:
            return list(self._tokenizer(prompt.plain(user))["input_ids"])
        # The template has written the special tokens already.
        return self.encode_answer(self._in_template(user))

    def encode_answer(self, text: str) -> list[int]:
        """The tokens of the beginning of an answer, as they follow the prompt's in training."""
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _in_template(self, user: str) -> str:
        def render(messages: list[prompt.Message]) -> str:
            return str(self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

        from jinja2 import TemplateError

        try:
            try:
                return render(prompt.chat(user))
            except TemplateError:
                return render(folded(user))
        except TemplateError as error:
            raise ModelError("the model's chat template does not work", fix=str(error)) from None

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of an answer's tokens, special tokens left out."""
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def generate(
        self,
        rows: Sequence[Row],
        max_new_tokens: int,
        sampling: Sampling,
        finished: Finished,
        *,
        keep_end: bool = False,
    ) -> list[list[int]]:
        """The new tokens of each row; ``finished`` is asked every CHECK_EVERY of them.

        Of ``ends``, the one that ended a row is left out, unless ``keep_end``: who learns from the answer learns it.
        """
        import torch

        from autovcoder.models.decoding import can_decode, decode
        from autovcoder.models.library_loop import generate

        model, ends, at_once = self._model, self.ends, self.batch_size
        try:
            with quiet(), _generating(model), torch.no_grad():
                if can_decode(model):
                    return decode(
                        model, rows, max_new_tokens, sampling, ends, finished, at_once=at_once, keep_end=keep_end
                    )
                batches = (rows[at : at + at_once] for at in range(0, len(rows), at_once))
                return [
                    answer
                    for batch in batches
                    for answer in generate(model, batch, max_new_tokens, sampling, ends, finished, keep_end=keep_end)
                ]
        except torch.OutOfMemoryError:
            raise ModelError("out of GPU memory while generating", fix="ask for fewer answers or tokens") from None


@contextlib.contextmanager
def _generating(model: Any) -> Iterator[None]:
    """The model ready to generate, and afterwards as it was: it may be in the middle of its training."""
    owner = model.get_base_model() if hasattr(model, "get_base_model") else model
    modes = [(module, module.training) for module in model.modules()]
    wrappers = {id(one): (one, one.generation_config) for one in (model, owner)}
    model.eval()
    # The checkpoint's own defaults (penalties, top-k) would change what the caller asked for.
    for one, defaults in wrappers.values():
        one.generation_config = type(defaults)()
    try:
        yield
    finally:
        for one, defaults in wrappers.values():
            one.generation_config = defaults
        for module, mode in modes:
            module.training = mode


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' progress bars, load reports and warnings off the user's terminal."""
    from transformers.utils import logging as untyped

    logging: Any = untyped
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _load(where: Path | str) -> tuple[Any, Any]:
    """The model, ready to generate, and its tokenizer."""
    import torch
    from transformers import AutoTokenizer

    adapter = where if isinstance(where, Path) and is_adapter(where) else None
    if adapter is not None:
        where = base_of(adapter)
    model = load_weights(where, dtype="auto", local_files_only=isinstance(where, Path))
    if torch.cuda.is_available():
        model = model.to("cuda")
    elif model.num_parameters() <= _FLOAT32_UP_TO:
        model = model.float()
    if adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    # Training saves the tokenizer beside the adapter; where it did not, the base's own is the right one.
    words = adapter if adapter is not None and (adapter / "tokenizer_config.json").is_file() else where
    tokenizer = AutoTokenizer.from_pretrained(words, local_files_only=isinstance(words, Path), trust_remote_code=False)
    return model.eval(), tokenizer


def _load_error(where: Path | str, name: str, error: Exception) -> ModelError:
    if isinstance(where, Path):
        said = str(error).strip().splitlines() or [type(error).__name__]
        return ModelError("cannot load the model", where=name, fix=said[0])
    return ModelError(
        "cannot load the model from Hugging Face",
        where=name,
        fix="check the id, the network and (for a gated model) HF_TOKEN, or give a folder",
    )


def _context(config: Any) -> int | None:
    text = config.get_text_config()
    found = getattr(text, "max_position_embeddings", None) or getattr(text, "n_positions", None)
    return int(found) if found else None


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """The tokens that end an answer: the checkpoint's (one or several) and the tokenizer's."""
    declared = model.generation_config.eos_token_id
    several = declared if isinstance(declared, list) else [declared]
    return frozenset(token for token in [*several, tokenizer.eos_token_id] if token is not None)
