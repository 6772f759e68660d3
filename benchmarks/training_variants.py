"""One way to train, in a process of its own: what `training_speed.py` starts once for each variant and round.

Reads a `Job` as JSON and the files that it names; prints its `Result` as the last line, in JSON.

    python benchmarks/training_variants.py JOB.json
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autovcoder.prompt import chat, plain
from finetune import adapters
from finetune.corpus import encode_pair
from finetune.packing import mixes_packed
from finetune.round_settings import LORA_DEFAULTS, RoundSettings, sft_config
from finetune.round_trainer import trainer_class
from finetune.trainer import load_model

LONGEST = 2048
"""Tokens of an example, and the length to which the released script pads; a pair that is longer is left out for all."""


@dataclass(frozen=True)
class Job:
    """What is trained, and how long.

    Attributes:
        variant: of `VARIANTS`. ``model``: a folder; without weights in it they are drawn at random.
        tokenizer: a folder of its own, since transformers picks the kind of tokenizer by the model beside it.
        settings: of `RoundSettings`; the peers take only their ``lora`` from it, and the type of the weights.
        pairs: a JSON list of [problem, code]. ``seed``: of the order of the rows.
        warmup: steps before the ``steps`` that are timed.
    """

    variant: str
    model: str
    tokenizer: str
    settings: dict[str, Any]
    pairs: str
    steps: int
    warmup: int
    seed: int


@dataclass(frozen=True)
class Result:
    """What was measured in the timed steps.

    Attributes:
        tokens: that are no padding, prompts included; ``cells`` with the padding.
        peak_bytes: the most that tensors occupied on the GPU in training, or the process in memory on a CPU.
        parameters: that take part in a matrix product: all but an input embedding of its own.
        adapter: parameters of the LoRA.
    """

    tokens: int
    cells: int
    seconds: float
    peak_bytes: int
    parameters: int
    adapter: int
    device: str
    attention: str

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds

    @property
    def padding(self) -> float:
        return 1 - self.tokens / self.cells


def measure(job: Job) -> Result:
    """Train as the job says.

    Raises:
        RuntimeError: the adapter is as it was, so nothing was trained.
    """
    import torch

    make_trainer = VARIANTS[job.variant]
    model, tokenizer = _load(job)
    rows = [
        {"problem": problem, "code": code, "input_ids": ids, "unlearned": [0, len(prompt)], "length": len(ids)}
        for problem, code in json.loads(Path(job.pairs).read_text(encoding="utf-8"))
        for prompt, ids in [encode_pair(tokenizer, problem, code)]
        if len(ids) <= LONGEST
    ]
    own = model.get_output_embeddings().weight is not model.get_input_embeddings().weight
    parameters = sum(p.numel() for p in model.parameters()) - own * model.get_input_embeddings().weight.numel()
    gpu = torch.cuda.is_available()
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(job, model, tokenizer, rows, Path(folder))
        if gpu:
            torch.cuda.reset_peak_memory_stats()
        tokens, cells, seconds = _run(trainer, job.warmup)
    trained = {name: p for name, p in trainer.model.named_parameters() if p.requires_grad}
    # B starts at zero.
    if not all(p.any() for name, p in trained.items() if "lora_B" in name):
        raise RuntimeError("a part of the adapter was not trained")
    return Result(
        tokens=tokens,
        cells=cells,
        seconds=seconds,
        peak_bytes=torch.cuda.max_memory_allocated() if gpu else _peak_resident(),
        parameters=parameters,
        adapter=sum(p.numel() for p in trained.values()),
        device=torch.cuda.get_device_name() if gpu else f"CPU, {torch.get_num_threads()} threads",
        attention=str(model.config._attn_implementation),
    )


def _load(job: Job) -> tuple[Any, Any]:
    """The model where it is trained, in the type of the settings, or float32; and its tokenizer."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, set_seed
    from transformers.utils import is_flash_attn_2_available

    gpu = torch.cuda.is_available()
    options = {"dtype": "float32"} | job.settings.get("sft", {}).get("model_init_kwargs", {})
    if job.variant == "ours" and gpu and is_flash_attn_2_available():
        options["attn_implementation"] = "flash_attention_2"
    device, tokenizer = "cuda" if gpu else "cpu", AutoTokenizer.from_pretrained(job.tokenizer)
    if any(Path(job.model).glob("*.safetensors")):
        return load_model(job.model, **options)[0].to(device), tokenizer
    set_seed(0)
    options["dtype"] = getattr(torch, options["dtype"])
    with torch.device(device):
        return AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(job.model), **options), tokenizer


def _run(trainer: Any, warmup: int) -> tuple[int, int, float]:
    """(tokens, tokens and padding, seconds) of the steps after the first ``warmup``."""
    import torch
    from transformers import TrainerCallback

    sizes: list[tuple[Any, int]] = []
    marks: list[float] = []
    step = trainer.training_step

    def counted(model: Any, inputs: dict[str, Any], *others: Any, **named: Any) -> Any:
        if trainer.state.global_step >= warmup:
            # A packed row has no mask.
            tokens = inputs["tokens"] if "tokens" in inputs else inputs["attention_mask"].sum()
            sizes.append((tokens, inputs["input_ids"].numel()))
        return step(model, inputs, *others, **named)

    class Clock(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            if state.global_step in (warmup, state.max_steps):
                if torch.cuda.is_available():
                    torch.cuda.synchronize()
                marks.append(time.perf_counter())

    trainer.training_step = counted
    trainer.add_callback(Clock())
    trainer.train()
    begin, end = marks
    return sum(int(tokens) for tokens, _ in sizes), sum(cells for _, cells in sizes), end - begin


def _peak_resident() -> int:
    """The most memory this process held, in bytes. What getrusage says starts at the size of the parent."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def _shared(job: Job, out: Path) -> dict[str, Any]:
    """Arguments that have no part in the comparison."""
    import torch

    return {
        "output_dir": str(out),
        "max_steps": job.warmup + job.steps,
        "seed": job.seed,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": not torch.cuda.is_available(),
    }


def _lora(job: Job) -> Any:
    from peft import LoraConfig

    return LoraConfig(**(LORA_DEFAULTS | job.settings.get("lora", {})))


def released(job: Job, model: Any, tokenizer: Any, rows: list[dict[str, Any]], out: Path) -> Any:
    """What the released script does: each example padded to 2048 tokens, two a batch, transformers' plain Trainer.

    Its 8-bit paged AdamW is used where bitsandbytes and a GPU are. Two things are left out, in its favour: the weights
    are of the type that ours have, not float32 throughout, and the adapter is on the layers on which ours is.
    """
    import torch
    from peft import get_peft_model
    from transformers import Trainer, TrainingArguments, default_data_collator
    from transformers.utils import is_bitsandbytes_available

    def padded(ids: list[int]) -> dict[str, list[int]]:
        rest = LONGEST - len(ids)
        return {
            "input_ids": ids + [tokenizer.pad_token_id] * rest,
            "attention_mask": [1] * len(ids) + [0] * rest,
            "labels": ids + [-100] * rest,
        }

    eight_bit = torch.cuda.is_available() and is_bitsandbytes_available()
    arguments = TrainingArguments(
        per_device_train_batch_size=2,
        gradient_checkpointing=True,
        bf16=True,
        learning_rate=2.5e-5,
        warmup_steps=200,
        optim="paged_adamw_8bit" if eight_bit else "adamw_torch",
        **_shared(job, out),
    )
    model.enable_input_require_grads()
    return Trainer(
        model=get_peft_model(model, _lora(job)),
        args=arguments,
        train_dataset=[padded(row["input_ids"]) for row in rows],
        data_collator=default_data_collator,
    )


def trl_defaults(job: Job, model: Any, tokenizer: Any, rows: list[dict[str, Any]], out: Path) -> Any:
    """``trl.SFTTrainer`` as it comes: it tokenizes, cuts at 1024 tokens, and pads eight rows to the longest of them."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    def example(problem: str, code: str) -> dict[str, Any]:
        if tokenizer.chat_template:
            return {"prompt": chat(problem), "completion": [{"role": "assistant", "content": code}]}
        return {"prompt": plain(problem), "completion": f"{code}```"}

    return SFTTrainer(
        model=model,
        args=SFTConfig(**_shared(job, out)),
        train_dataset=Dataset.from_list([example(row["problem"], row["code"]) for row in rows]),
        processing_class=tokenizer,
        peft_config=_lora(job),
    )


def ours(job: Job, model: Any, tokenizer: Any, rows: list[dict[str, Any]], out: Path) -> Any:
    """The trainer of `finetune.rounds`, fed as a round feeds it."""
    from datasets import Dataset

    settings = RoundSettings.model_validate(job.settings)
    settings = settings.model_copy(update={"seed": job.seed, "sft": {**settings.sft, **_shared(job, out)}})
    del settings.sft["output_dir"], settings.sft["save_strategy"]
    sft = sft_config(settings, out)
    sft.save_strategy = "no"  # as in the other variants: a round itself always keeps checkpoints
    packed = settings.packing != "off" and mixes_packed(model) is None
    adapted = adapters.adapt(model, _lora(job), settings.seed)
    trainer = trainer_class()(model=adapted, args=sft, processing_class=tokenizer)
    examples = Dataset.from_list([{name: row[name] for name in ("input_ids", "unlearned", "length")} for row in rows])
    trainer.feed(examples, packed=packed, pad=tokenizer.pad_token_id, tokens_per_batch=settings.tokens_per_batch)
    return trainer


VARIANTS: dict[str, Callable[..., Any]] = {"released recipe": released, "TRL defaults": trl_defaults, "ours": ours}


def main() -> None:
    job = Job(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    print(json.dumps(asdict(measure(job))))


if __name__ == "__main__":
    main()
