"""The decoding loop: the same tokens as transformers' own, for every kind of cache, and a prompt is read once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autovcoder.models.decoding import Sampler, can_decode, decode
from autovcoder.models.library_loop import generate
from autovcoder.models.local import Row
from autovcoder.records import Sampling

VOCABULARY = 97
SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.4,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": None,
}
ALTERNATING = ["sliding_attention", "full_attention"] * 2
KINDS: dict[str, dict[str, Any]] = {
    "llama": {},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 256},
    "mistral": {"sliding_window": 8},
    "gemma2": {"head_dim": 8, "sliding_window": 8, "query_pre_attn_scalar": 8, "layer_types": ALTERNATING},
    "lfm2": {"layer_types": ["conv", "full_attention"] * 2, "conv_L_cache": 3},
    "qwen3_next": {
        "head_dim": 8,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 24,
        "shared_expert_intermediate_size": 24,
        "linear_num_value_heads": 4,
        "linear_num_key_heads": 2,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
        "layer_types": ["linear_attention", "full_attention"] * 2,
    },
}
GREEDY = Sampling(max_new_tokens=90)
DRAWN = Sampling(temperature=1.0, top_p=0.9, max_new_tokens=90)


def make(kind: str) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    build: Any = AutoModelForCausalLM
    return build.from_config(AutoConfig.for_model(kind, **{**SHAPE, **KINDS.get(kind, {})})).eval()


@pytest.fixture(scope="module", params=list(KINDS))
def model(request: pytest.FixtureRequest) -> Any:
    """Attention, with absolute positions and with a sliding window, convolutions, linear attention; none is trained."""
    return make(request.param)


def rows_of(lengths: list[int], n: int) -> list[Row]:
    import torch

    stream = torch.Generator().manual_seed(1)
    prompts = [tuple(torch.randint(3, VOCABULARY, (length,), generator=stream).tolist()) for length in lengths]
    return [Row(i, k, tokens, 0, 10 * i + k) for i, tokens in enumerate(prompts) for k in range(n)]


def staggered(row: Row, tokens: Any) -> bool:
    """Ends the answers of a batch one after the other."""
    return len(tokens) >= 12 + 12 * (row.prompt % 3) + 16 * row.index


def run(
    loop: Callable[..., list[list[int]]], model: Any, rows: list[Row], sampling: Sampling, ends: tuple[int, ...] = ()
) -> list[list[int]]:
    import torch

    with torch.no_grad():
        return loop(model, rows, sampling.max_new_tokens, sampling, frozenset(ends), staggered)


all_at_once = partial(decode, at_once=64)


@pytest.mark.parametrize("at_once", [1, 2, 4, 7])
def test_rows_that_take_the_places_of_others_are_written_as_they_would_be_alone(model: Any, at_once: int) -> None:
    rows = rows_of([5, 17, 17, 30, 3], n=3)
    assert run(partial(decode, at_once=at_once), model, rows, DRAWN) == run(all_at_once, model, rows, DRAWN)


def test_as_many_rows_run_together_as_may_until_the_last_have_begun() -> None:
    model = make("lfm2")
    sizes: list[tuple[int, int]] = []
    model.model.embed_tokens.register_forward_hook(lambda _, inputs, __: sizes.append(tuple(inputs[0].shape)))
    rows = rows_of([20, 30, 9, 40, 25, 12], n=2)
    answers = run(partial(decode, at_once=8), model, rows, DRAWN)
    # Each prompt is read once.
    assert sorted(length for batch, length in sizes if length > 1) == [9, 12, 20, 25, 30, 40]
    steps = [batch for batch, length in sizes if length == 1]
    assert max(steps) == 8
    begun = max(place for place, (_, length) in enumerate(sizes) if length > 1)
    assert min(batch for batch, length in sizes[:begun] if length == 1) >= 4
    assert sum(steps) < 1.5 * sum(map(len, answers))


def test_no_row_goes_on_past_the_limit_nor_any_cache_beyond_what_the_model_knows() -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    build: Any = AutoModelForCausalLM
    # Its positions are a table: one more is an error.
    shape = {**SHAPE, **KINDS["gpt2"], "n_positions": 20 + 90}
    model = build.from_config(AutoConfig.for_model("gpt2", **shape)).eval()
    widths: list[int] = []

    def note(_module: Any, _arguments: Any, given: dict[str, Any]) -> None:
        if given.get("attention_mask") is not None:
            widths.append(given["attention_mask"].shape[-1])

    model.register_forward_pre_hook(note, with_kwargs=True)
    # Two rows end late, when ten that took the places of others have just begun, and too few to be removed for that.
    rows = [row for row in rows_of([20, 20, 20], n=10) if row.prompt or row.index < 2]
    lengths = (80, 12, 90)
    with torch.no_grad():
        answers = decode(
            model, rows, 90, DRAWN, frozenset(), lambda row, tokens: len(tokens) >= lengths[row.prompt], at_once=12
        )
    assert [len(answer) for answer in answers] == [80] * 2 + [12] * 10 + [90] * 10
    assert max(widths) <= 110
    assert run(all_at_once, model, [], DRAWN) == []


@pytest.mark.parametrize("sampling", [GREEDY, DRAWN], ids=["greedy", "drawn"])
def test_the_loop_writes_what_generate_writes_row_by_row(model: Any, sampling: Sampling) -> None:
    assert can_decode(model)
    rows = rows_of([5, 17, 17], n=3)
    together = run(all_at_once, model, rows, sampling)
    assert together == [run(generate, model, [row], sampling)[0] for row in rows]
    # Rows left at many moments, so that the batch was cut down again and again.
    assert {len(answer) for answer in together} == {12, 24, 28, 36, 40, 44, 52, 56, 68}


def test_an_end_token_ends_its_row_alone_and_is_no_part_of_the_answer() -> None:
    model, rows = make("llama"), rows_of([5, 9], n=6)
    whole = run(all_at_once, model, rows, DRAWN)
    ends = (whole[0][3], whole[7][6])
    cut = run(all_at_once, model, rows, DRAWN, ends)
    assert cut == [answer[: min(map(answer.index, {*ends} & {*answer}), default=len(answer))] for answer in whole]
    assert cut == run(generate, model, rows, DRAWN, ends)
    assert len(cut[0]) <= 3
    assert cut != whole


def test_a_prompt_is_read_once_for_all_its_answers_and_a_row_that_ended_is_computed_no_more() -> None:
    model = make("lfm2")
    sizes: list[tuple[int, int]] = []
    model.model.embed_tokens.register_forward_hook(lambda _, inputs, __: sizes.append(tuple(inputs[0].shape)))
    rows = rows_of([20], n=8)
    answers = run(all_at_once, model, rows, DRAWN)
    assert sizes[0] == (1, 20)
    assert sizes[1] == (8, 1)
    # Three answers go on to the limit.
    assert sizes[-1] == (3, 1)
    # No more than a quarter of what is computed is thrown away.
    assert sum(batch for batch, _ in sizes[1:]) < sum(map(len, answers)) / 0.7


def test_every_answer_ends_at_the_limit() -> None:
    sampling = GREEDY.model_copy(update={"max_new_tokens": 7})
    assert [len(answer) for answer in run(all_at_once, make("llama"), rows_of([4, 9], n=1), sampling)] == [7, 7]


def test_a_model_with_a_cache_of_its_own_is_left_to_generate() -> None:
    from transformers import MambaConfig, MambaForCausalLM

    shape: dict[str, Any] = {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 8}
    model = MambaForCausalLM(MambaConfig(**shape, pad_token_id=0, bos_token_id=1, eos_token_id=None)).eval()
    assert not can_decode(model)
    rows = rows_of([6, 6], n=1)
    together = run(generate, model, rows, DRAWN)
    assert together == [run(generate, model, [row], DRAWN)[0] for row in rows]


def test_an_adapter_other_than_lora_is_left_to_generate() -> None:
    from peft import IA3Config, LoraConfig, get_peft_model

    from autovcoder.models.transformers_engine import quiet

    lora = LoraConfig(target_modules=["q_proj"], task_type="CAUSAL_LM")
    other = IA3Config(target_modules=["q_proj"], feedforward_modules=[], task_type="CAUSAL_LM")
    with quiet():
        assert can_decode(get_peft_model(make("llama"), lora))
        assert not can_decode(get_peft_model(make("llama"), other))


def test_tokens_are_drawn_as_often_as_their_probabilities_say() -> None:
    import torch

    sampling = Sampling(temperature=0.5, top_p=0.9, max_new_tokens=1)
    probabilities = torch.tensor([0.4, 0.3, 0.2, 0.06, 0.04])
    sharpened = probabilities**2 / (probabilities**2).sum()  # temperature 0.5
    assert sharpened[:2].sum() < 0.9 <= sharpened[:3].sum()
    wanted = sharpened[:3] / sharpened[:3].sum()
    [row] = rows_of([1], n=1)
    sampler = Sampler([row], sampling, "cpu")
    draws = torch.cat([sampler(probabilities.log()[None], [0]) for _ in range(4000)])
    found = torch.bincount(draws, minlength=5) / len(draws)
    assert found[3:].tolist() == [0, 0]
    assert torch.allclose(found[:3], wanted, atol=0.03)


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(2, 700),
    sharpness=st.sampled_from([0.0, 0.1, 3.0]),
    top_p=st.floats(0.01, 0.999),
    seed=st.integers(0, 99),
)
def test_the_nucleus_is_the_smallest_set_of_likeliest_tokens_with_that_share(
    size: int, sharpness: float, top_p: float, seed: int
) -> None:
    import torch

    from autovcoder.models.decoding import _nucleus

    scores = torch.randn(3, size, generator=torch.Generator().manual_seed(seed)) * sharpness
    kept, order = _nucleus(scores, top_p)
    for row in range(3):
        inside = order[row][kept[row] > float("-inf")]
        share, least = scores[row].softmax(-1)[inside], scores[row][inside].min()
        outside = torch.ones(size, dtype=torch.bool).index_fill(0, inside, False)
        assert share.sum() >= top_p - 1e-5
        assert share.sum() - share.min() < top_p + 1e-5
        assert not outside.any() or scores[row][outside].max() <= least
