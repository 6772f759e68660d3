"""Packed rows: nothing lost, nothing seen across a border, the same loss; and models of which that is not true."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    Lfm2Config,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
    Qwen3MoeConfig,
)

from finetune.packing import (
    IGNORED,
    alike,
    best_fit_decreasing,
    by_tokens,
    mixes_packed,
    packed_batch,
    padded_batch,
)

SHAPE = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "initializer_range": 0.3,  # large, so that what is seen shows
    "pad_token_id": None,
    "bos_token_id": None,
    "eos_token_id": None,
}
APART = {
    "llama": LlamaConfig(**SHAPE),
    "llama, eager": LlamaConfig(**SHAPE, attn_implementation="eager"),
    "qwen2": Qwen2Config(**SHAPE),
    "qwen3": Qwen3Config(**SHAPE),
    "qwen3 moe": Qwen3MoeConfig(**SHAPE, moe_intermediate_size=16, num_experts=4, num_experts_per_tok=2),
    "sliding window": MistralConfig(**SHAPE, sliding_window=8),
    "gpt2": GPT2Config(vocab_size=64, n_embd=32, n_layer=2, n_head=4, n_positions=128, initializer_range=0.3),
}
MIXING = {
    "lfm2": Lfm2Config(**{**SHAPE, "layer_types": ["conv", "full_attention"]}),
    "mamba": MambaConfig(vocab_size=64, hidden_size=32, num_hidden_layers=2, state_size=8),
}


def made(config: Any) -> Any:
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config).eval()


def examples(count: int = 7, seed: int = 0) -> list[tuple[list[int], list[int]]]:
    draw = random.Random(seed)
    lengths = [draw.randint(2, 30) for _ in range(count)]
    return [([draw.randrange(64) for _ in range(n)], sorted(draw.randrange(n) for _ in range(4))) for n in lengths]


@given(st.lists(st.integers(1, 64), max_size=200))
def test_every_example_is_in_one_row_and_no_row_is_too_long(lengths: list[int]) -> None:
    rows = best_fit_decreasing(lengths, 64)
    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    sizes = [sum(lengths[index] for index in row) for row in rows]
    assert all(0 < size <= 64 for size in sizes)


@given(st.lists(st.integers(1, 64), min_size=1, max_size=200))
def test_rows_are_nearly_as_few_as_can_be(lengths: list[int]) -> None:
    # Of any two rows, the tokens of both are more than one could hold: the later one's first example did not fit.
    sizes = sorted(sum(lengths[index] for index in row) for row in best_fit_decreasing(lengths, 64))
    assert len(sizes) < 2 or sizes[0] + sizes[1] > 64


@given(st.lists(st.integers(1, 300), max_size=300), st.integers(1, 40), st.integers(0, 3), st.integers(0, 3))
def test_an_epoch_holds_every_row_once_and_is_the_same_again(
    lengths: list[int], group: int, seed: int, epoch: int
) -> None:
    groups = alike(lengths, group, seed, epoch)
    assert sorted(index for one in groups for index in one) == list(range(len(lengths)))
    assert all(len(one) == group for one in groups[:-1])
    assert groups == alike(lengths, group, seed, epoch)


def test_epochs_differ_and_rows_of_a_group_are_of_like_length() -> None:
    draw = random.Random(0)
    lengths = [draw.randint(1, 1000) for _ in range(2000)]
    first, second = alike(lengths, 8, 0, 0), alike(lengths, 8, 0, 1)
    assert first != second
    assert {frozenset(one) for one in first}.isdisjoint(frozenset(one) for one in second)

    def padding(groups: list[list[int]]) -> float:
        cells = sum(len(one) * max(lengths[i] for i in one) for one in groups)
        return 1 - sum(lengths) / cells

    assert padding(first) < 0.03 < padding([list(range(start, start + 8)) for start in range(0, 2000, 8)])
    longest = [max(lengths[i] for i in one) for one in first[:50]]
    assert longest != sorted(longest, reverse=True), "groups must not come from long to short"


@given(st.lists(st.integers(1, 100), max_size=200), st.integers(100, 400))
def test_a_batch_of_tokens_holds_no_more_of_them(lengths: list[int], most: int) -> None:
    batches = by_tokens(lengths, most)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) * max(lengths[i] for i in batch) <= most


def test_a_row_longer_than_the_budget_is_a_batch_by_itself() -> None:
    assert by_tokens([5, 900, 6], 100) == [[1], [2, 0]]


def test_no_label_crosses_a_border_or_stands_on_padding_or_a_prompt() -> None:
    batch = packed_batch([[([1, 2, 3], []), ([4, 5], [0, 1])], [([6, 7], [0, 1])]], pad=9, multiple=4)
    assert batch["input_ids"].tolist() == [[1, 2, 3, 4, 5, 9, 9, 9], [6, 7, 9, 9, 9, 9, 9, 9]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 0, 1, 0, 1, 2], [0, 1, 0, 1, 2, 3, 4, 5]]
    no = IGNORED
    assert batch["labels"].tolist() == [[no, 2, 3, no, 5, no, no, no], [no, 7, no, no, no, no, no, no]]
    padded = padded_batch([([1, 2, 3], [0, 2]), ([4, 5], [])], pad=9)
    assert padded["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert padded["labels"].tolist() == [[no, no, 3], [no, 5, no]]
    assert "position_ids" not in padded
    between = packed_batch([[([1, 2], [1, 2]), ([3, 4, 5, 6, 7], [1, 2, 3, 4])]], pad=9)
    assert between["labels"].tolist() == [[no, no, no, no, 5, no, 7]]


@pytest.mark.parametrize("name", APART)
def test_packed_logits_are_those_of_each_example_alone(name: str) -> None:
    model = made(APART[name])
    given_examples = examples()
    rows = best_fit_decreasing([len(ids) for ids, _ in given_examples], 48)
    assert max(map(len, rows)) > 1
    batch = packed_batch([[given_examples[i] for i in row] for row in rows], pad=0)
    batch.pop("labels")
    with torch.no_grad():
        packed = model(**batch, use_cache=False).logits
        for number, row in enumerate(rows):
            start = 0
            for index in row:
                ids = given_examples[index][0]
                alone = model(torch.tensor([ids])).logits[0]
                torch.testing.assert_close(packed[number, start : start + len(ids)], alone, rtol=1e-4, atol=1e-4)
                start += len(ids)


@pytest.mark.parametrize("name", APART)
def test_the_loss_of_packed_rows_is_that_of_the_examples_weighted_by_their_tokens(name: str) -> None:
    model = made(APART[name])
    given_examples = examples(count=9, seed=3)
    rows = best_fit_decreasing([len(ids) for ids, _ in given_examples], 48)
    packed = model(
        **packed_batch([[given_examples[i] for i in row] for row in rows], pad=0), use_cache=False
    ).loss.item()
    total, tokens = 0.0, 0
    for ids, unlearned in given_examples:
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, :-1]
        losses = torch.nn.functional.cross_entropy(logits, torch.tensor(ids[1:]), reduction="none")
        skipped = {*range(unlearned[0], unlearned[1]), *range(unlearned[2], unlearned[3])}
        learned = [loss for place, loss in enumerate(losses.tolist(), start=1) if place not in skipped]
        total, tokens = total + sum(learned), tokens + len(learned)
    assert packed == pytest.approx(total / tokens, rel=1e-4)


@pytest.mark.parametrize("name", APART)
def test_a_model_that_keeps_packed_examples_apart_is_recognised(name: str) -> None:
    model = made(APART[name]).train()
    assert mixes_packed(model) is None
    assert model.training
    assert mixes_packed(model.bfloat16()) is None


@pytest.mark.filterwarnings("ignore")  # of kernels that are not there
@pytest.mark.parametrize("name", MIXING)
def test_a_model_that_mixes_packed_examples_is_found_out(name: str) -> None:
    reason = mixes_packed(made(MIXING[name]))
    assert reason is not None
    if name == "lfm2":
        assert reason == "what stands before an example in its row changes its logits"
        assert mixes_packed(made(MIXING[name]).bfloat16()) == reason
