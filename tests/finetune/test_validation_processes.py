"""A validated training in two real processes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

TWO = """
import json, sys; from pathlib import Path
sys.path.insert(0, {tests!r})
from test_validation import *
import finetune.pass_rate, os
measure = finetune.pass_rate.PassRate.measure
def told(self, model):
    (Path({out!r}) / f"measured-{{os.environ['RANK']}}").touch()
    return measure(self, model)
finetune.pass_rate.PassRate.measure = told
settings = ValidationSettings(problems=Path({out!r}) / 'problems.jsonl', every=20, max_new_tokens=40, patience=2)
if os.environ['RANK'] == 'none':
    write_jsonl(settings.problems, [problem('inverse')])
    sys.exit()
answers = [RIGHT] * 80 + [WRONG] * 120
trainer = new_trainer(Path({out!r}), new_tokenizer(), settings, answers, ddp_find_unused_parameters=False)
train(trainer)
total = sum(float(weight.double().sum()) for weight in adapter(trainer.model).values())
facts = validation_facts(trainer)["validation"] | {{"steps": trainer.state.global_step, "total": total}}
(Path({out!r}) / f"facts-{{os.environ['RANK']}}").write_text(json.dumps(facts))
"""


def test_of_two_processes_one_measures_and_both_stop_and_keep_the_same(tmp_path: Path) -> None:
    script = tmp_path / "two.py"
    tests = str(Path(__file__).parent)
    script.write_text(TWO.format(tests=tests, out=str(tmp_path)))
    subprocess.run([sys.executable, script], env=os.environ | {"RANK": "none"}, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    ranks = [os.environ | address | {"RANK": rank, "LOCAL_RANK": rank} for rank in "01"]
    started = [subprocess.Popen([sys.executable, script], env=rank, stderr=subprocess.PIPE) for rank in ranks]
    said = [process.communicate()[1].decode() for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert [path.name for path in tmp_path.glob("measured-*")] == ["measured-0"]
    one, other = (json.loads((tmp_path / f"facts-{rank}").read_text()) for rank in (0, 1))
    assert one == other
    assert one["passed"] == 1
    assert one["stopped_early"]
    assert one["steps"] in (60, 80), "the first to pass is of step 20 or 40, and patience is 2"
