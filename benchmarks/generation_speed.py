"""How fast a model on this machine writes many answers: `LocalModel`, against `model.generate` called once an answer.

The peer is what published Verilog models are sampled with: transformers' own `generate`, one prompt, one answer. Both
run the same weights in this process on the same prompts of the built-in suite, in turn, to the end of text or the
limit; tokens behind an answer's end count for neither. Greedy answers of both must be the same.

    python benchmarks/generation_speed.py [--prompts 24] [--n 10] [--at-once 4] [--model nano]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from importlib.resources import files

from autovcoder.models.local import LocalModel
from autovcoder.models.transformers_engine import quiet
from autovcoder.records import Sampling
from eval.answers import prompt_of, stated_by
from eval.suites import load_suite

LIMIT = 512


class Plain:
    """transformers by hand, one answer a call; ``tokens`` counts those before each end of text."""

    def __init__(self, model: str) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        where = files("autovcoder") / "assets" / model if model == "nano" else model
        self._model = AutoModelForCausalLM.from_pretrained(str(where), dtype="float32").eval()
        self._model.to("cuda" if torch.cuda.is_available() else "cpu")
        self._tokenizer = AutoTokenizer.from_pretrained(str(where))
        self.tokens = 0

    def answer(self, tokens: list[int], sampling: Sampling) -> str:
        import torch

        ids = torch.tensor([tokens], device=self._model.device)
        drawn = {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        how = drawn if sampling.temperature > 0 else {"do_sample": False}
        room = min(LIMIT, self._model.config.max_position_embeddings - len(tokens))
        output = self._model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=room, **how)
        answer = output[0, len(tokens) :].tolist()
        end = self._tokenizer.eos_token_id
        answer = answer[: answer.index(end)] if end in answer else answer
        self.tokens += len(answer)
        return str(self._tokenizer.decode(answer, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=24)
    parser.add_argument("--n", type=int, default=10)
    parser.add_argument("--at-once", type=int, default=4, help="prompts in one round")
    parser.add_argument("--model", default="nano")
    asked = parser.parse_args()
    problems = load_suite("builtin", None)[: asked.prompts]
    with quiet():
        compare(asked, [prompt_of(problem) for problem in problems], [stated_by(problem).start for problem in problems])


def compare(asked: argparse.Namespace, prompts: list[str], starts: list[str]) -> None:
    ours, plain = LocalModel(asked.model), Plain(asked.model)
    engine = ours._engine
    starts = starts if engine.answers_with_code else [""] * len(prompts)
    tokens = [[*engine.encode(one), *engine.encode_answer(start)] for one, start in zip(prompts, starts, strict=True)]
    greedy = Sampling(max_new_tokens=LIMIT)
    drawn = Sampling(n=asked.n, temperature=0.8, top_p=0.95, max_new_tokens=LIMIT)

    def complete(chosen: list[int]) -> Callable[[], object]:
        return lambda: ours.complete([prompts[i] for i in chosen], drawn, starts=[starts[i] for i in chosen])

    speeds: list[tuple[float, float, float]] = []
    same = 0
    for first in range(0, len(prompts), asked.at_once):
        chosen = list(range(first, min(first + asked.at_once, len(prompts))))
        together = ours.complete([prompts[i] for i in chosen], greedy, starts=[starts[i] for i in chosen])
        same += sum(
            starts[i] + plain.answer(tokens[i], greedy) == one for i, [one] in zip(chosen, together, strict=True)
        )
        plain.tokens = 0
        by_hand = sum(timed(partial(plain.answer, tokens[i], drawn)) for i in chosen for _ in range(asked.n))
        before = ours.new_tokens
        by_prompt = sum(timed(complete([i])) for i in chosen)
        between = ours.new_tokens
        at_once = timed(complete(chosen))
        speeds.append((plain.tokens / by_hand, (between - before) / by_prompt, (ours.new_tokens - between) / at_once))
        print(f"round {len(speeds)}: " + ", ".join(f"{speed:.0f}" for speed in speeds[-1]) + " tokens/s", flush=True)
    report(asked, len(prompts), same, speeds)


def report(asked: argparse.Namespace, count: int, same: int, speeds: list[tuple[float, float, float]]) -> None:
    print(f"{count} prompts, {asked.n} answers each (temperature 0.8, top-p 0.95); greedy answers equal for {same}")
    names = ("generate, one answer a call", "one prompt at a time", f"{asked.at_once} prompts at a time")
    for name, column in zip(names, zip(*speeds, strict=True), strict=True):
        ratio = statistics.median(speed / row[0] for speed, row in zip(column, speeds, strict=True))
        print(f"{name:30} {statistics.median(column):8.0f} tokens/s   {ratio:6.2f} times")


if __name__ == "__main__":
    main()
