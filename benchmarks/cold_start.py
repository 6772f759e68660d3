"""How long one sentence takes from nothing: `generate-verilog` in a fresh process, by part, against plain transformers.

Reads the packaged model; prints medians over several fresh processes. The peer is what a user would write by hand:
import transformers, load the same weights, `model.generate` to the end of text; it checks nothing.

    python benchmarks/cold_start.py [--runs 5]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

SPEC = "an 8-bit up counter with synchronous active-high reset and enable"
PEER = """
import sys
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype="float32")
chat = [{"role": "user", "content": sys.argv[2]}]
inputs = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
answer = model.generate(**inputs, max_new_tokens=512, do_sample=False)
print(tokenizer.decode(answer[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True))
"""


def timed(command: list[str]) -> tuple[float, str]:
    start = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return time.perf_counter() - start, done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    ours = [str(Path(sys.executable).with_name("generate-verilog")), SPEC, "--json"]
    peer = [sys.executable, "-c", PEER, str(files("autovcoder") / "assets" / "nano"), SPEC]
    helped = [str(Path(sys.executable).with_name("generate-verilog")), "--help"]
    walls, parts, peers, helps = [], [], [], []
    for _ in range(runs):  # in turn, so that a slow moment of the machine meets both
        wall, out = timed(ours)
        walls.append(wall)
        parts.append(json.loads(out)["seconds"])
        peers.append(timed(peer)[0])
        helps.append(timed(helped)[0])
    wall = statistics.median(walls)
    print(f"generate-verilog      {wall:.2f} s, median of {runs} fresh processes")
    inside = {name: statistics.median(part[name] for part in parts) for name in parts[0]}
    for name, seconds in {"start": wall - sum(inside.values()), **inside}.items():
        print(f"  {name:<10}{seconds:.2f} s")
    print(f"plain transformers    {statistics.median(peers):.2f} s, and nothing is checked")
    print(f"ratio                 {statistics.median(peers) / wall:.2f} (peer / ours)")
    print(f"--help                {statistics.median(helps):.2f} s")


if __name__ == "__main__":
    main()
