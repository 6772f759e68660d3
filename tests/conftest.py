"""Small real models, made once in a session, for every test that needs a language model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

# On a busy machine the threads of so small models wait for each other a hundred times longer than they work.
# Set before anything loads torch; child processes inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Whoever runs the tests may have a library of their own, which is used unasked.
os.environ["AUTOVCODER_LIBRARY"] = "/nonexistent/library"

COUNTER_SPEC = "an 8-bit up counter with synchronous active-high reset and enable"
COUNTER = """module counter (
    input clk,
    input rst,
    input en,
    output reg [7:0] q
);
    always @(posedge clk) begin
        if (rst)
            q <= 8'd0;
        else if (en)
            q <= q + 8'd1;
    end
endmodule
"""
BROKEN_SPEC = "a module that does not compile"
BROKEN = "module broken (input a, output y);\n    assign y = a & nowhere;\nendmodule\n"
PROSE_SPEC = "something that is answered without any code"
PROSE = "I am sorry, but I can only talk about it."
# The model learns these by heart: specification to answer.
LEARNED = {COUNTER_SPEC: f"```verilog\n{COUNTER}```", BROKEN_SPEC: f"```verilog\n{BROKEN}```", PROSE_SPEC: PROSE}
CHAT_TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') if refuse else '' }}"
    "{% else %}<|{{ m.role }}|>{{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def make_tokenizer(texts: list[str], template: str | None = CHAT_TEMPLATE) -> Any:
    """A byte-level BPE tokenizer of about 500 tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    special = ["<|end|>", "<|pad|>", "<|user|>", "<|assistant|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    words.train_from_iterator(texts, trainer)
    ends = {"eos_token": "<|end|>", "pad_token": "<|pad|>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, **ends)
    tokenizer.chat_template = template
    return tokenizer


def make_llama(tokenizer: Any, **settings: Any) -> Any:
    """A Llama of about 200,000 random parameters; the same every time."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    shape = {"hidden_size": 96, "intermediate_size": 192, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlamaConfig(
        **{
            **shape,
            "vocab_size": len(tokenizer),
            "num_key_value_heads": 2,
            "max_position_embeddings": 512,
            "tie_word_embeddings": True,
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            **settings,
        }
    )
    return LlamaForCausalLM(config)


def learn(model: Any, tokenizer: Any, steps: int) -> None:
    """Train until the model knows LEARNED by heart."""
    import torch

    from autovcoder import prompt

    rows = []
    for spec, answer in LEARNED.items():
        asked = tokenizer.apply_chat_template(prompt.chat(spec), tokenize=False, add_generation_prompt=True)
        question = tokenizer(asked, add_special_tokens=False)["input_ids"]
        tokens = tokenizer(answer + tokenizer.eos_token, add_special_tokens=False)["input_ids"]
        rows.append(([*question, *tokens], [*[-100] * len(question), *tokens]))
    width = max(len(tokens) for tokens, _ in rows)
    ids = torch.tensor([t + [tokenizer.pad_token_id] * (width - len(t)) for t, _ in rows])
    labels = torch.tensor([t + [-100] * (width - len(t)) for _, t in rows])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)
    model.train()
    for _ in range(steps):
        loss = model(input_ids=ids, attention_mask=ids != tokenizer.pad_token_id, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if loss.item() < 0.02:
            break
    model.eval()


@pytest.fixture(scope="session", autouse=True)
def own_verdict_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No verdict comes from an earlier run or is left among the user's; child processes inherit it."""
    os.environ["AUTOVCODER_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def learned_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small chat model in bfloat16 that answers the specifications of LEARNED, and only those, well."""
    import torch

    folder = tmp_path_factory.mktemp("models") / "learned"
    tokenizer = make_tokenizer([*LEARNED, *LEARNED.values()])
    model = make_llama(tokenizer)
    learn(model, tokenizer, steps=200)
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def learned() -> dict[str, str]:
    """What the learned model knows by heart: specification to answer."""
    return dict(LEARNED)


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small model without a chat template or an end token: it writes rubbish and never stops."""
    folder = tmp_path_factory.mktemp("models") / "random"
    tokenizer = make_tokenizer([*LEARNED, *LEARNED.values()], template=None)
    tokenizer.eos_token = None
    make_llama(tokenizer, initializer_range=0.5, tie_word_embeddings=False).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
