"""The tokenizer of a model made here: byte-level BPE, two digits at a time, a problem as the comment above its module.

Reads texts; writes a Hugging Face tokenizer folder. A number of two digits may be one token, so that a width or an
index is copied or counted down in one step. One digit at a time, a model needed more training to the same loss, most of
all where it copies a table: single digits hardly tell where in a table one is. Three at a time brought no more.
A run of punctuation and spaces, and a line's end with the indentation behind it, may become one token: RTL is full of
both, and a fifth fewer tokens is a fifth less to learn and to write.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from autovcoder.prompt import ANSWERS_WITH_CODE

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, END = "<|pad|>", "<|end|>"

# One or two digits; a word with the space before it; a line's end and indentation; punctuation and spaces in a line. No
# token reaches over a line's end, so that what follows a given header are the tokens that followed it in training.
_PIECES = r"\d{1,2}| ?[A-Za-z_]+|\n\s*|[^\w\n]+"

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message.role == 'user' %}/* {{ message.content | replace('*/', '* /') }} */\n{% endif %}"
    "{% if message.role == 'assistant' %}{{ message.content }}" + END + "{% endif %}"
    "{% endfor %}"
)
"""A problem stands where RTL tells what it is, so that a base model can be asked in the same form as the models trained
on it. A system message is passed over: a small model has one job."""


def train_tokenizer(texts: Iterable[str], vocabulary: int, context: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer: any text can be encoded, and decoding gives it back.

    Args:
        vocabulary: the number of tokens, special ones included.
        context: the most tokens that the model reads.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        chat_template=CHAT_TEMPLATE,
        model_max_length=context,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        **{ANSWERS_WITH_CODE: True},
    )
