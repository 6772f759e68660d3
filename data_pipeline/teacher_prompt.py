"""The words put to a language-model teacher: one problem with its solution, testbench and model, as one JSON object.

Reads a topic, level, circuit type and seed; writes nothing. `teacher_answer.py` reads what comes back.
"""

from __future__ import annotations

import random
from typing import Any

from autovcoder.records import CircuitType, Language, Level

TOP = "tb"
"""What the testbench's module is asked to be called."""
FIELDS = {
    "problem": "the text of the problem, complete in itself",
    "module": "the name of the design's module",
    "code": "the Verilog of the design",
    "testbench": "the Verilog of the testbench",
    "reference_model": "the Python source of the reference model",
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {name: {"type": "string", "description": words} for name, words in FIELDS.items()},
    "required": list(FIELDS),
    "additionalProperties": False,
}
FORMS: tuple[dict[str, Any], ...] = (
    {"type": "json_schema", "json_schema": {"name": "exercise", "strict": True, "schema": SCHEMA}},
    {"type": "json_object"},
    {},
)
"""What a request's `response_format` is, the most that a server may know first; the last is none at all."""

_LEVELS: dict[Level, str] = {
    "easy": "easy: one idea, a handful of ports, about 10 to 30 lines of RTL; a student in the first weeks solves it",
    "medium": "medium: two or three ideas that interact, at least one corner case that a careless solution misses,"
    " about 25 to 80 lines of RTL",
    "hard": "hard: several parts that work together, with corner cases in timing or arithmetic that need thought, about"
    " 60 to 180 lines of RTL; an experienced engineer needs a while",
}
_LANGUAGES: dict[Language, str] = {
    "verilog-2001": "Verilog-2001 (no `logic`, `always_ff`, `always_comb`, `typedef` or other SystemVerilog)",
    "systemverilog": "synthesizable SystemVerilog (IEEE 1800-2012: `logic`, `always_ff`, `always_comb`), without"
    " interfaces, classes, packages or assertions",
}
_REGISTERS = (
    "a short request to a colleague, in two to five plain sentences, followed by the list of ports",
    "a formal specification: purpose, a table of ports, then numbered requirements",
    "an excerpt from a data sheet: a description, the signals, then the function in terse sentences",
    "an exercise of a university course, with a sentence of motivation and exact requirements",
    "a ticket in an issue tracker: the need, the interface, and a list of acceptance criteria",
    "a module header with comments beside its ports, and beneath it a paragraph on what the body has to do",
    "a description that begins with the behaviour over time, cycle by cycle or case by case, and names the ports as it"
    " goes",
    "a description that begins with a small worked example of inputs and outputs and then states the general rule",
)
_NAMES = (
    "Name ports as short lower-case words (`a`, `sel`, `q`, `done`).",
    "Name ports descriptively in snake_case (`write_enable`, `data_out`).",
    "Mark directions with the prefixes `i_` and `o_`.",
    "Mark directions with the suffixes `_i` and `_o`.",
    "Name ports as they are called in this field's own literature.",
)
_RESETS = (
    "a synchronous active-high reset",
    "a synchronous active-low reset",
    "an asynchronous active-high reset",
    "an asynchronous active-low reset",
)
_CLOCKS = ("clk", "clk", "clk", "clock")
_SHAPES = (
    "All widths are fixed numbers.",
    "All widths are fixed numbers, at least one of them unusual (such as 5, 11 or 13).",
    "The module has one or two parameters with defaults; the testbench and the reference model use the defaults.",
)

_PROMPT = """\
You write exercises in digital design whose solutions will be checked in simulation. Write one on this topic:

    {topic}

Kind of circuit: {circuit_type}.
Level: {level}.

Be original in the details: choose a variant of the topic, with its own widths, options and corner cases, that a reader
has not seen a hundred times. {shape} {names} {clocking}

Answer with one JSON object and nothing else. Its keys, each a string:

"problem": what a designer is asked. Write it as {register}. It must stand alone: the name of the module, every port
  with direction and width, every parameter, and the behaviour in every case, also at reset and in corner cases, so that
  two engineers who read it build circuits that cannot be told apart at their ports. No Verilog of the solution, and no
  word about testbenches.

"module": the module's name, exactly as in the problem.

"code": the solution. One module, in {language}. It can be synthesized, has no latches, no delays, no initial blocks, no
  system tasks, no `include and no `define, and instantiates no other module.

"testbench": a self-checking testbench in Verilog, for Icarus Verilog.
  - It holds one module `{top}` without ports, which instantiates the design once, by named ports. The design's own code
    is not in it.
  - It works out the expected outputs by itself from the problem's words, in another way than the solution does; it
    reads no signal inside the design.
  - {stimulus}
  - At every check it counts one sample, and one mismatch where any output differs, compared with `!==`. There are at
    least {samples} samples: all corner cases that the problem names, and random inputs from $random or $urandom.
  - Every wait is bounded, so that it ends whatever the design does. It reads and writes no files.
  - At its end it prints exactly one line, with
    $display("Mismatches: %0d in %0d samples", mismatches, samples);
    and then calls $finish. It prints nothing else.

"reference_model": the same behaviour in Python 3, standard library only, written from the problem and not from the
  Verilog. No input, no output, no files, no code that runs at import beyond definitions.
{model}
"""

_COMBINATIONAL_STIMULUS = (
    "It changes the inputs, waits #1 or more, then checks. With up to ten input bits in all it tries every combination."
)
_SEQUENTIAL_STIMULUS = (
    "It makes the clock, changes inputs at the falling edge only, and checks the outputs just before the next falling"
    " edge, after the rising edge has settled. It begins with a reset{reset}, and resets again in the middle."
)
_COMBINATIONAL_MODEL = """\
  It defines
      def model(inputs: dict[str, int]) -> dict[str, int]:
  The keys are the names of the ports; a value is the port's bits as an unsigned number. It returns every output, masked
  to its width."""
_SEQUENTIAL_MODEL = """\
  It defines
      class Model:
          def step(self, inputs: dict[str, int]) -> dict[str, int | None]:
  `Model()` is the circuit before anything has happened to it. `step` is called once for each rising edge of the clock,
  with all inputs but the clock as they stand at that edge, resets included, and returns every output as it stands after
  that edge with the inputs unchanged. The keys are the names of the ports; a value is the port's bits as an unsigned
  number, masked to its width, and None where the output is not determined yet, such as before the first reset."""


def teacher_prompt(topic: str, level: Level, circuit_type: CircuitType, seed: int) -> str:
    """What the teacher is asked. The seed draws the language, the wording, the names, the reset and the parameters."""
    rng = random.Random(f"prompt {topic} {level} {circuit_type} {seed}")
    language: Language = "systemverilog" if rng.random() < 0.25 else "verilog-2001"
    words = {"register": rng.choice(_REGISTERS), "names": rng.choice(_NAMES), "shape": rng.choice(_SHAPES)}
    reset, clock = rng.choice(_RESETS), rng.choice(_CLOCKS)
    sequential = circuit_type == "sequential"
    # Now and then a circuit needs none, such as a delay line.
    needed = sequential and rng.random() < 0.92
    how = f"It has {reset}." if needed else "It has a reset only if it could not work without one."
    clocking = (
        f"Everything is clocked by the rising edge of one clock, the port `{clock}`. {how}"
        if sequential
        else "It has no clock and no state."
    )
    stimulus = (
        _SEQUENTIAL_STIMULUS.format(reset="" if needed else " where there is one")
        if sequential
        else _COMBINATIONAL_STIMULUS
    )
    return _PROMPT.format(
        topic=topic,
        circuit_type=circuit_type,
        level=_LEVELS[level],
        language=_LANGUAGES[language],
        clocking=clocking,
        stimulus=stimulus,
        samples={"easy": 50, "medium": 100, "hard": 200}[level],
        model=_SEQUENTIAL_MODEL if sequential else _COMBINATIONAL_MODEL,
        top=TOP,
        **words,
    )
