"""What a simulator's verdict is worth in reinforcement learning: a ladder from no code to a pass.

Reads answers and the tasks that they answer; writes nothing. Only a pass earns 1; what the simulator refuses to run, or
has to stop, earns 0; what lies between is worth little, so that no way around the problem pays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal, get_args

from autovcoder.errors import InputError
from autovcoder.records import Bench, Port, Verdict
from hdl_sim.extract import answer_complete, extract_code
from hdl_sim.limits import Limits
from hdl_sim.simulator import DEFAULT_LIMITS, Simulator, simulate_many
from hdl_sim.slang import read_source
from hdl_sim.statement import Stated

Rung = Literal["nothing", "code", "parses", "elaborates", "ports", "pass"]
VALUES: dict[Rung, float] = {
    "nothing": 0.0,
    "code": 0.05,
    "parses": 0.10,
    "elaborates": 0.15,
    "ports": 0.20,
    "pass": 1.0,
}
"""What each rung is worth; what each of them asks for is said at `reward`."""
MATCHING = 0.5
"""The most that matching samples add to the rung ``ports``: the answer with one wrong sample stays far below a pass."""

# CPU time decides, as in an evaluation; designs of training problems are small.
LIMITS = Limits(cpu_s=10, wall_s=300.0)


@dataclass(frozen=True, slots=True)
class Task:
    """A problem that answers are rewarded for.

    Attributes:
        prompt: what the model is asked, as generation and evaluation ask it.
        stated: what the prompt states of the interface; its ``start`` opens the answer of a model that answers with
            code.
        module: the name of the module that the bench instantiates; ``ports``: those of the reference.
        samples: how many samples a whole run of the bench takes; None where it counts none.
        baseline: the largest share of ``samples``, below 1, in which outputs that are undriven, always 0 or always 1
            match; None where that could not be measured, and then matching samples earn nothing.
    """

    id: str
    prompt: str
    stated: Stated
    module: str
    ports: tuple[Port, ...]
    bench: Bench
    samples: int | None
    baseline: float | None

    def code_of(self, answer: str) -> str | None:
        """The Verilog of a whole answer, its start included, as generation and evaluation find it."""
        return extract_code(answer, header=self.stated.header, module=self.stated.name)

    def is_complete(self, answer: str) -> bool:
        """Whether generation can stop here."""
        return answer_complete(answer, self.stated.name)


@dataclass(frozen=True, slots=True)
class Reward:
    """``value`` from 0 to 1, and the rung of the ladder that it stands on."""

    value: float
    rung: Rung


def reward(task: Task, code: str | None, verdict: Verdict) -> Reward:
    """What a design earns by what it did on the bench of its task.

    - ``pass``: it passed.
    - ``ports``: it ran on the bench and has the ports of the reference, in name, direction and width. Matching samples
      add up to ``MATCHING``: see `matching`.
    - ``elaborates``: the front end finds no error in it, but its ports are others, or the bench cannot run it: its
      module has another name, or the simulator does not know something in it.
    - ``parses``: its meaning has an error, such as an undeclared name or a missing module.
    - ``code``: its form has an error.
    - ``nothing``: no code, or code that is refused, does not come to an end or breaks while it runs.
    """
    if verdict.passed:
        return _on("pass")
    if verdict.status == "syntax_error":
        return _on("code")
    if verdict.status not in ("elaboration_error", "mismatch", "no_result"):
        return _on("nothing")
    # Whatever crashes the front end was forbidden by the processes that simulate: here it is safe to read.
    source = read_source(code or "")
    if verdict.status == "elaboration_error":
        return _on("parses" if source.errors else "elaborates")
    module = source.module(task.module)
    if module is None or set(module.ports) != set(task.ports):
        return _on("elaborates")
    return Reward(VALUES["ports"] + MATCHING * matching(task, verdict), "ports")


def matching(task: Task, verdict: Verdict) -> float:
    """The square of the share of samples that match, from the task's baseline (0) to all of them (1).

    Below the baseline it is 0, so a constant output earns nothing by it, and near it almost nothing.
    """
    share = matched(verdict, task.samples)
    if share is None or task.baseline is None or not task.baseline < share < 1:
        return 0.0
    return ((share - task.baseline) / (1 - task.baseline)) ** 2


def matched(verdict: Verdict, samples: int | None) -> float | None:
    """The share of ``samples`` that match, from 0 to 1; None where the bench counted none.

    Samples that the bench should have taken and did not count as mismatches, for a constant as for any other design.
    """
    if verdict.status != "mismatch" or verdict.mismatches is None or not verdict.samples or not samples:
        return None
    return max(0, verdict.samples - verdict.mismatches) / max(verdict.samples, samples)


class SimulatedReward:
    """A reward function as trl calls it: equal answers of a batch are simulated once, the others on every core.

    Args:
        tasks: by their prompts as trl has them.
        simulator: gives the verdicts. An error of it that is not about the design (a missing program, a full disk) is
            raised, and so ends the training.
    """

    __name__ = "simulated"

    def __init__(self, tasks: Mapping[str, Task], simulator: Simulator, limits: Limits = LIMITS) -> None:
        self._tasks = tasks
        self._simulator = _NeverRefusing(simulator)
        self._limits = limits

    def __call__(
        self,
        prompts: Sequence[str],
        completions: Sequence[str],
        *,
        answer: Sequence[str] | None = None,
        log_metric: Callable[[str, float], None] | None = None,
        **columns: Any,  # noqa: ARG002 - trl hands over all that it has
    ) -> list[float]:
        """A reward for each completion.

        Args:
            answer: the whole answers, with what they were made to start with; the completions when not given.
            log_metric: told the share of each rung, and the share of prompts whose answers all earned the same.
        """
        asked = [self._tasks[prompt] for prompt in prompts]
        rewards = self.judge(asked, answer if answer is not None else completions)
        if log_metric is not None:
            counted = Counter(one.rung for one in rewards)
            for rung in get_args(Rung):
                log_metric(f"rung_{rung}", counted[rung] / len(rewards))
            log_metric("equal_groups", _equal_groups(prompts, rewards))
        return [one.value for one in rewards]

    def judge(self, tasks: Sequence[Task], answers: Sequence[str]) -> list[Reward]:
        """The rewards of answers to these tasks, one for each.

        Raises:
            ToolMissing, ToolFailed: the simulator is not there, or broke. StoreError: the verdicts cannot be kept.
        """
        codes = [task.code_of(answer) for task, answer in zip(tasks, answers, strict=True)]
        jobs = ((code, task.bench) for code, task in zip(codes, tasks, strict=True))
        with closing(simulate_many(self._simulator, jobs, limits=self._limits)) as verdicts:
            return [reward(*job) for job in zip(tasks, codes, verdicts, strict=True)]


class _NeverRefusing:
    """A simulator to which a bench that cannot be used says nothing good of the design.

    The benches of tasks are proven, so what one of them cannot digest is the answer's doing: no answer ends a training.
    """

    def __init__(self, inner: Simulator) -> None:
        self._inner = inner
        self.name = inner.name

    def run(self, design: str | None, bench: Bench, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        try:
            return self._inner.run(design, bench, limits)
        except InputError:
            return Verdict(status="forbidden", stage="elaborate", simulator=self.name)

    def compile_only(self, design: str | None, limits: Limits = DEFAULT_LIMITS) -> Verdict:
        return self._inner.compile_only(design, limits)


def _equal_groups(prompts: Sequence[str], rewards: Sequence[Reward]) -> float:
    values: dict[str, set[float]] = {}
    for prompt, one in zip(prompts, rewards, strict=True):
        values.setdefault(prompt, set()).add(one.value)
    return sum(len(found) == 1 for found in values.values()) / len(values)


def _on(rung: Rung) -> Reward:
    return Reward(VALUES[rung], rung)
