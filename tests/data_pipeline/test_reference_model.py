"""A draft's Python model is asked in the box, in our form or its own; what it does is an answer or a reason."""

from __future__ import annotations

import pytest

from autovcoder.records import Port
from data_pipeline.rebuilt_bench import Interface, named_values, read_interface, rebuild, stimuli
from data_pipeline.reference_model import Refusal, ask_model, files_of
from hdl_sim.icarus import Icarus
from hdl_sim.limits import Limits


def _port(name: str, width: int, direction: str = "input") -> Port:
    return Port.model_validate({"name": name, "direction": direction, "width": width})


ADDER = Interface(
    "adder", (_port("a", 4), _port("B", 4)), (_port("sum", 4, "output"), _port("cout", 1, "output")), clock=None
)
ROWS = [{"a": 3, "B": 4}, {"a": 15, "B": 2}]
SUMS = [[7, 0], [1, 1]]
COUNTER = Interface("counter", (_port("rst", 1), _port("en", 1)), (_port("q", 2, "output"),), "clk", reset="rst")


@pytest.mark.parametrize(
    "source",
    [
        "def model(inputs):\n    s = inputs['a'] + inputs['B']\n    return {'sum': s & 15, 'cout': s >> 4}\n",
        # Names in another case and another order, a value wider than its port, a helper, and a main that nobody calls.
        "def add(b, A):\n    return A + b, (A + b) >> 4\n\ndef main():\n    open('x', 'w')\n",
        "def add(x, y):\n    print('noise')\n    return {'SUM': x + y, 'Cout': x + y > 15}\n",
        "def add(a, b):\n    return format((a + b) & 15, '04b'), (a + b) >> 4\n",
    ],
)
def test_a_model_of_a_circuit_without_a_clock_is_understood(source: str) -> None:
    assert ask_model(source, ADDER, ROWS) == [SUMS]


def test_a_model_that_can_be_read_in_several_ways_is_read_in_all_of_them() -> None:
    swap = Interface("s", (_port("a", 4), _port("en", 1)), (_port("y", 4, "output"),))
    rows = [{"a": 1, "en": 1}, {"a": 12, "en": 0}]
    shown = "def f(a, en):\n    return [a >> 3, a >> 2 & 1, a >> 1 & 1, a & 1]\n"
    assert ask_model(shown, swap, rows) == [[[8], [3]], [[1], [12]]]
    # From either end of a list; an input of one bit stays a number, since a list is always true.
    lists = "def f(a, en):\n    return [a[0], 0, 0, a[3] & 1] if en else [0, 0, 0, 0]\n"
    assert ask_model(lists, swap, rows) == [[[1], [0]]]
    lists = "def f(a, en):\n    return [a[1], 0, 0, a[0]]\n"
    assert ask_model(lists, swap, rows) == [[[8], [0]], [[0], [9]]]


def test_texts_of_bits_are_tried_where_numbers_tell_nothing() -> None:
    swap = Interface("s", (_port("a", 4),), (_port("y", 4, "output"),))
    texts = "def f(a):\n    return 'xxxx' if a == '0001' else '0010'\n"
    assert ask_model(texts, swap, [{"a": 1}, {"a": 12}]) == [[[None], [2]]]
    always = "def f(a):\n    return 5\n"
    assert ask_model(always, swap, [{"a": 1}, {"a": 12}]) == [[[5], [5]]]
    # Nothing is gained by other forms where numbers do: `if a` is true of every text.
    truth = "def f(a):\n    return 1 if a else 0\n"
    assert ask_model(truth, swap, [{"a": 0}, {"a": 12}]) == [[[0], [1]]]


def test_a_model_with_a_clock_steps() -> None:
    source = (
        "class Model:\n    def __init__(self):\n        self.q = None\n    def step(self, inputs):\n"
        "        if inputs['rst']:\n            self.q = 0\n        elif inputs['en'] and self.q is not None:\n"
        "            self.q = (self.q + 1) % 4\n        return {'q': self.q}\n"
    )
    rows = [{"rst": r, "en": e} for r, e in ((0, 1), (1, 0), (0, 1), (0, 0), (0, 1))]
    assert ask_model(source, COUNTER, rows) == [[[None], [0], [1], [1], [2]]]
    free = source.replace("class Model", "class Counter").replace("step(self, inputs)", "tick(self, en, rst)")
    free = (
        free.replace("inputs['rst']", "rst")
        .replace("inputs['en']", "en")
        .replace("return {'q': self.q}", "return self.q")
    )
    assert ask_model(free, COUNTER, rows[1:]) == [[[0], [1], [1], [2]]]


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("", "model-not-callable"),
        ("data_pipeline.families['x'].build(**{})", "model-not-callable"),
        ("def add(a):\n    return a\n", "model-not-callable"),
        ("def add(a, b):\n    return [a, b, a]\n", "model-not-callable"),
        ("def add(a, b):\n    return 'yes', 1\n", "model-not-callable"),
        ("def add(a, b)\n    return a\n", "model-is-not-python"),
        ("def add(a, b):\n    raise SystemExit(0)\n", "model-crashes"),
        ("import nothing_of_this_name\ndef add(a, b):\n    return a, 0\n", "model-crashes"),
        ("def add(a, b):\n    import os\n    os._exit(0)\n", "model-crashes"),
        ("import sys\ndef add(a, b):\n    sys.__stdout__.write('[1]\\n' * 3)\n    sys.__stdout__.flush()\n"
         "    import os\n    os._exit(0)\n", "model-crashes"),
        ("def model(inputs):\n    return inputs['nothing']\n", "model-crashes"),
        ("def model(inputs):\n    return {'sum': 1}\n", "model-answers-badly"),
        ("def model(inputs):\n    return {'sum': 'a', 'cout': 0}\n", "model-answers-badly"),
    ],
)  # fmt: skip
def test_a_model_that_gives_nothing_gives_a_reason(source: str, code: str) -> None:
    answer = ask_model(source, ADDER, ROWS)
    assert isinstance(answer, Refusal)
    assert answer.code == code


FORGED = """import json, os, sys
frame = sys._getframe()
while "printed" not in frame.f_locals:
    frame = frame.f_back
rows = [[["7", "0"], ["1", "1"]], [["1", "0"], ["1", "1"]], [["2", "0"], ["1", "1"]]][:{}]
frame.f_locals["printed"].write("\\n" + frame.f_locals["key"] + " " + json.dumps({{"readings": rows}}) + "\\n")
frame.f_locals["printed"].flush()
os._exit(0)
"""


def test_a_model_cannot_name_all_there_is() -> None:
    assert isinstance(ask_model(FORGED.format(3), ADDER, ROWS), Refusal)
    # It shares its process with what asks it; two readings are what any model may have.
    assert ask_model(FORGED.format(2), ADDER, ROWS) == [[[7, 0], [1, 1]], [[1, 0], [1, 1]]]
    assert ask_model("def model(i):\n    pass\n" + FORGED.format(2), ADDER, ROWS) == [[[7, 0], [1, 1]]]
    printed = 'import sys\nsys.__stdout__.write(\'{"readings": [[["1", "0"], ["1", "1"]]]}\\n\')\n'
    later = "import atexit\natexit.register(lambda: sys.__stdout__.write('\\n[]\\n'))\n"
    model = "def model(i):\n    return {'sum': i['a'] + i['B'], 'cout': i['a'] + i['B'] > 15}\n"
    assert ask_model(printed + later + model, ADDER, ROWS) == [SUMS]


def test_a_model_that_never_ends_is_ended() -> None:
    answer = ask_model("def model(i):\n    while True: pass\n", ADDER, ROWS, Limits(cpu_s=1, memory_mb=512))
    assert isinstance(answer, Refusal)
    assert answer.code == "model-times-out"


def test_a_value_out_of_range_is_cut_to_its_port() -> None:
    assert ask_model("def model(i):\n    return {'sum': -1, 'cout': 6}\n", ADDER, ROWS[:1]) == [[[15, 0]]]


def test_what_a_model_writes_for_its_testbench_is_found() -> None:
    source = "def main():\n    open('t.txt', 'w').write('01\\n')\nif __name__ == '__main__':\n    main()\n"
    assert files_of(source, ["t.txt", "other.txt"]) == {"t.txt": "01\n"}
    assert isinstance(files_of("1 / 0", ["t.txt"]), Refusal)


def test_an_interface_has_its_clock_its_edge_and_its_reset() -> None:
    text = (
        "module r(input CLK, input nrst, input [2:0] d, output reg [2:0] q);\n"
        "  always @(negedge CLK or negedge nrst) if (~nrst) q <= 0; else q <= d;\nendmodule\n"
    )
    found = read_interface(text, "r")
    assert isinstance(found, Interface)
    assert (found.clock, found.edge, found.reset, found.reset_low) == ("CLK", "negedge", "nrst", True)
    assert [port.name for port in found.inputs] == ["nrst", "d"]
    high = text.replace("negedge nrst", "posedge nrst").replace("~nrst", "nrst").replace("nrst", "clear")
    found = read_interface(high, "r")
    assert isinstance(found, Interface)
    assert (found.reset, found.reset_low) == ("clear", False)
    wide = "module w(input [9999:0] a, output [9999:0] y); assign y = ~a; endmodule"
    assert read_interface(wide, "w") == "its ports are too wide"
    assert isinstance(read_interface("module b(inout a, input b, output y); assign y = b; endmodule", "b"), str)


def test_stimuli_are_all_values_or_drawn_and_the_same_for_a_seed() -> None:
    assert len({tuple(row.values()) for row in stimuli(ADDER, "s")}) == 256
    wide = Interface("w", (_port("a", 16), _port("b", 16)), (_port("y", 1, "output"),))
    rows = stimuli(wide, "s")
    assert rows == stimuli(wide, "s") != stimuli(wide, "t")
    assert {0, 0xFFFF} <= {row["a"] for row in rows}
    # By chance alone one in thirty thousand are neighbours.
    assert sum(abs(row["a"] - row["b"]) <= 1 and 9 < row["a"] < 0x7000 for row in rows) > 10
    # What is named is tried.
    named = named_values("if (a == 16'hA_5b5) y = 8'b10; // 42", "if b == 0xbeef: pass")
    assert set(named) == {0xA5B5, 2, 42, 0xBEEF, 16, 8}
    tried = stimuli(wide, "s", named)
    assert {(0xA5B5, 0xBEEF), (0xBEEF, 0xA5B5)} & {(row["a"], row["b"]) for row in tried}
    cycles = stimuli(COUNTER, "s")
    resets = [place for place, row in enumerate(cycles) if row["rst"]]
    assert resets[:2] == [0, 1]
    assert len(resets) > 2


def test_a_rebuilt_bench_tells_right_from_wrong() -> None:
    bench = rebuild(ADDER, ROWS, [[7, 0], [1, None]])
    good = "module adder(input [3:0] a, B, output [3:0] sum, output cout); assign {cout, sum} = a + B; endmodule\n"
    verdict = Icarus().run(good, bench)
    assert (verdict.status, verdict.samples) == ("pass", 2)
    assert Icarus().run(good.replace("a + B", "a - B"), bench).status == "mismatch"
    assert Icarus().run(good.replace("{cout, sum}", "sum"), bench).status == "mismatch"
    # The carry of the second row is not told.
    assert Icarus().run(good.replace("{cout, sum}", "cout = 0; assign sum"), bench).passed
