"""The benchmark of training speed: each variant trains what it says, and the figures are computed as they are told."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
from transformers import AutoTokenizer

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import training_speed
from training_speed import SHAPES, parameters, peak_flops, run_child, table, utilisation, write_model
from training_variants import LONGEST, VARIANTS, Job, Result, measure

from autovcoder.models.local import resolve
from finetune.corpus import encode_pair
from finetune.presets import load_preset

# trl and peft use what transformers calls by a new name; nothing here can help that.
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.* is deprecated:FutureWarning")

PAIR = (
    "an exclusive or of two bits",
    "module m (input a, input b, output y);\n    assign y = a ^ b;\nendmodule\n",
)
SMALL = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "vocab_size": 1664}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}
RESULT = Result(
    tokens=900, cells=1000, seconds=3.0, peak_bytes=2**30, parameters=10_000, adapter=500, device="", attention="sdpa"
)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """The 7B model's settings on a shape that is shrunk, with pairs that are all alike."""
    folder = tmp_path_factory.mktemp("speed")
    write_model({**SHAPES["qwen2.5-7b"], **SMALL, **HEADS}, folder / "model")
    (folder / "pairs.json").write_text(json.dumps([PAIR] * 40 + [("too long", "y " * LONGEST)]))
    settings = load_preset("qwen2.5-coder-7b").round2
    nano, pairs = str(resolve("nano")), str(folder / "pairs.json")
    return Job("", str(folder / "model"), nano, settings, pairs, steps=2, warmup=1, seed=0)


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_every_variant_trains_the_same_adapter_on_the_same_pairs(job: Job) -> None:
    length = len(encode_pair(AutoTokenizer.from_pretrained(resolve("nano")), *PAIR)[1])
    results = {name: measure(replace(job, variant=name)) for name in VARIANTS}

    released = results["released recipe"]
    assert (released.tokens, released.cells) == (2 * 2 * length, 2 * 2 * LONGEST)
    trl = results["TRL defaults"]
    assert trl.tokens == trl.cells == 2 * 8 * length
    a_row = LONGEST // length
    full, rest = divmod(40, a_row)
    sizes = [a_row] * full + [rest] * (rest > 0)
    ours = results["ours"]
    assert len(sizes) <= 8, "a step of 4 rows, twice, sees all of them"
    assert ours.tokens == 2 * 40 * length
    assert ours.padding < 1 - 40 * length / (len(sizes) * LONGEST) + 0.01
    assert {(r.parameters, r.adapter) for r in results.values()} == {(released.parameters, released.adapter)}
    assert all(0 < r.seconds < 60 and r.peak_bytes > 2**27 for r in results.values())


def test_a_child_gives_a_result_or_one_line(job: Job, tmp_path: Path) -> None:
    result = run_child(replace(job, variant="released recipe", steps=1), "cpu", tmp_path)
    assert isinstance(result, Result), result
    assert result.cells == 2 * LONGEST
    assert result.device.startswith("CPU")
    assert run_child(replace(job, variant="none such"), "cpu", tmp_path) == "KeyError: 'none such'"


@pytest.mark.parametrize(("name", "count"), [("qwen2.5-1.5b", 1_543_714_304), ("qwen2.5-7b", 7_615_616_512)])
def test_the_shapes_are_those_of_the_published_models(name: str, count: int, tmp_path: Path) -> None:
    write_model(SHAPES[name], tmp_path)
    assert parameters(tmp_path) == count


def test_the_table_has_medians_and_ratios() -> None:
    slow = [replace(RESULT, seconds=s) for s in (9.0, 3.0, 4.5)]
    fast = [replace(RESULT, tokens=1000, seconds=s) for s in (2.0, 1.0, 4.0)]
    head, *rows = table({"slow": slow, "broken": "out of memory", "fast": fast}, 1e9)
    assert head.split()[:1] == ["tokens/s"]
    # 900 tokens in 4.5 s, 43,000 operations each, of 10^9 a second
    assert rows[0].split() == ["slow", "200", "[100,", "300]", "1.00", "10.0%", "1.00", "GiB", "0.9%", "sdpa"]
    assert rows[1] == f"{'broken':16} failed: out of memory"
    assert rows[2].split()[1:6] == ["500", "[250,", "1,000]", "2.50", "0.0%"]


def test_utilisation_counts_four_operations_a_parameter_and_six_a_parameter_of_the_adapter() -> None:
    assert utilisation(RESULT, 1e9) == pytest.approx(300 * (4 * 10_000 + 6 * 500) / 1e9)


@pytest.mark.parametrize(
    ("device", "tflops"),
    [
        ("NVIDIA H100 80GB HBM3", 989.4),
        ("NVIDIA H100 PCIe", 756.0),
        ("NVIDIA A100-SXM4-80GB", 312.0),
        ("NVIDIA L40S", 362.0),
        ("NVIDIA L4", 121.0),
        ("NVIDIA GeForce RTX 4090", 165.2),
        ("Tesla T4", None),
        ("CPU, 2 threads", None),
    ],
)
def test_a_peak_is_looked_up_by_the_name_of_the_device(device: str, tflops: float | None) -> None:
    assert peak_flops(device) == (tflops and pytest.approx(tflops * 1e12))


def test_what_cannot_be_measured_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=8 * 2**30))
    with pytest.raises(SystemExit, match=r"^qwen2\.5-7b needs about 2\d GiB of memory on a CPU, and 8 are free$"):
        training_speed.main(["--model", "qwen2.5-7b", "--device", "cpu"])
    with pytest.raises(SystemExit, match="no such model"):
        training_speed.main(["--model", str(tmp_path), "--device", "cpu"])
    with pytest.raises(SystemExit, match="1 or more"):
        training_speed.main(["--rows", "0", "--device", "cpu"])
    if not torch.cuda.is_available():
        with pytest.raises(SystemExit, match="no GPU"):
            training_speed.main(["--device", "cuda"])
