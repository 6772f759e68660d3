"""What a language-model teacher answered, as a draft, or the reason why it is none.

Reads the text of an answer, which is hostile; writes nothing. Simulation judges whether the draft is right; here it
only has to be of the form that `teacher_prompt.py` asks for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from autovcoder.records import Bench, CircuitType, Draft, Level, PassRule, content_id
from data_pipeline.teacher_prompt import FIELDS, TOP

MAX_ANSWER = 1_000_000
"""Characters; a longer answer is not read."""
CUT = "the answer was cut off at its most tokens"
_MOST = {"problem": 20_000, "module": 200, "code": 100_000, "testbench": 200_000, "reference_model": 100_000}
_MAX_OBJECTS = 200
_OBJECT = re.compile(r'\{\s*"')
_UNWANTED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,99}")
_MODEL = re.compile(r"^def +model *\(", re.MULTILINE)
_CLASS, _STEP = re.compile(r"^class +Model\b", re.MULTILINE), re.compile(r"^[ \t]+def +step *\(", re.MULTILINE)
# Models write line feeds into JSON strings as they are.
_DECODER = json.JSONDecoder(strict=False)


class BadAnswer(ValueError):
    """An answer that is no draft; the text is the reason, in words of ours alone."""


def judge_answer(
    text: str, finish_reason: str, topic: str, level: Level, circuit_type: CircuitType, teacher: str
) -> Draft | str:
    """The draft in an answer, or the reason why there is none, whatever the answer is."""
    try:
        return read_answer(text, topic, level, circuit_type, teacher)
    except BadAnswer as error:
        return CUT if finish_reason == "length" else str(error)
    except Exception as error:  # an answer that our own reading cannot bear is no reason to end a run
        return f"the answer cannot be read ({type(error).__name__})"


def read_answer(text: str, topic: str, level: Level, circuit_type: CircuitType, teacher: str) -> Draft:
    """The draft in an answer: a JSON object, fenced or with text around it where the model could not help it.

    Raises:
        BadAnswer: it holds none, or not one of the form asked for.
    """
    fields = _fields(text)
    problem, module = fields["problem"], fields["module"]
    code, testbench, model = (_unfenced(fields[name]) for name in ("code", "testbench", "reference_model"))
    if not _NAME.fullmatch(module):
        raise BadAnswer("'module' is not a name")
    if _top(code, "code") != module:
        raise BadAnswer("'code' does not define 'module' at its top")
    top = _top(testbench, "testbench")
    if not re.search(rf"(?<![\w$]){re.escape(module)}(?![\w$])", testbench):
        raise BadAnswer("'testbench' does not name the design's module")
    if "Mismatches:" not in testbench or "$finish" not in testbench:
        raise BadAnswer("'testbench' does not end with the line asked for and $finish")
    wanted = (_MODEL,) if circuit_type == "combinational" else (_CLASS, _STEP)
    if not all(pattern.search(model) for pattern in wanted):
        raise BadAnswer("'reference_model' does not define what was asked for")
    rule = PassRule(kind="mismatch_count")
    return Draft(
        id=content_id(problem, code),
        problem=problem,
        circuit_type=circuit_type,
        level=level,
        topic=topic,
        code=code,
        testbench=Bench(kind="verilog", sources={"testbench.sv": testbench}, top=top, pass_rule=rule),
        reference_model=model,
        teacher=teacher,
    )


def _fields(text: str) -> dict[str, str]:
    """The five strings of the first object that has them all."""
    if len(text) > MAX_ANSWER:
        raise BadAnswer("the answer is too long")
    found = False
    for value in _objects(text):
        found = True
        if FIELDS.keys() <= value.keys():
            return {name: _checked(name, value[name]) for name in FIELDS}
    raise BadAnswer("a key is missing" if found else "the answer holds no JSON object")


def _objects(text: str) -> Iterator[dict[str, Any]]:
    for number, start in enumerate(_OBJECT.finditer(text)):
        if number == _MAX_OBJECTS:
            return
        try:
            value, _ = _DECODER.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            continue
        yield value


def _checked(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise BadAnswer(f"'{name}' is not a string")
    if len(value) > _MOST[name]:
        raise BadAnswer(f"'{name}' is too long")
    text = value.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not text:
        raise BadAnswer(f"'{name}' is empty")
    if _UNWANTED.search(text):
        raise BadAnswer(f"'{name}' holds control characters")
    # JSON may hold halves of characters, which no file can.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unfenced(text: str) -> str:
    """Source without the fence of Markdown around it, and with a line feed at its end."""
    first, _, rest = text.partition("\n")
    if first.startswith("```") and rest.endswith("```"):
        text = rest.removesuffix("```").rstrip()
    return text + "\n"


def _top(text: str, name: str) -> str:
    """The one module that no other module of the text instantiates; of several the one with the name asked for."""
    from hdl_sim.spans import module_spans

    spans = module_spans(text)
    if not spans or not all(span.closed for span in spans):
        raise BadAnswer(f"'{name}' is not a whole module")
    inside = {instance for span in spans for instance in span.instances}
    tops = {span.name for span in spans} - inside
    if name == "testbench" and TOP in tops:
        return TOP
    if len(tops) != 1:
        raise BadAnswer(f"'{name}' has more than one module that nothing instantiates")
    return tops.pop()
