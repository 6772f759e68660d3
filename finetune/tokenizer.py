"""The tokenizer of a model made here: byte-level BPE, digits one by one, chat roles as single tokens.

Reads texts; writes a Hugging Face tokenizer folder. Digits stay single because widths, ranges and constants are
computed digit by digit ("8-bit" is ``[7:0]``), which a model with merged digits would have to learn number by number.
A run of punctuation and spaces, and a line's end with the indentation behind it, may become one token: RTL is full of
both, and a fifth fewer tokens is a fifth less to learn and to write.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, END, USER, ASSISTANT = "<|pad|>", "<|end|>", "<|user|>", "<|assistant|>"

# No token reaches over a line's end, so that an answer may go on after a given header with the tokens that it was trained
# on: a digit; a word with the space before it; a line's end and indentation; punctuation and spaces within a line.
_PIECES = r"\d| ?[A-Za-z_]+|\n\s*|[^\w\n]+"

# No END behind the user's message: to a base model, END is where another text begins that has nothing to do with this.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message.role == 'user' %}" + USER + "\n{{ message.content }}\n{% endif %}"
    "{% if message.role == 'assistant' %}" + ASSISTANT + "\n{{ message.content }}" + END + "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}" + ASSISTANT + "\n{% endif %}"
)  # fmt: skip
"""A system message is passed over: a small model has one job."""


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
        special_tokens=[PAD, END, USER, ASSISTANT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE,
        model_max_length=context,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
