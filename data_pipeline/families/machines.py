"""Families of state machines: sequence detectors, overlapping or not, Moore or Mealy."""

from __future__ import annotations

from data_pipeline.circuit import (
    RESETS,
    WITH_RESET,
    Circuit,
    Clocked,
    Fact,
    Family,
    always_clocked,
    article,
    controls,
    inp,
    outp,
    reset_fact,
    vec,
)


def _longest_prefix(pattern: str, text: str) -> int:
    """The length of the longest prefix of ``pattern`` that ``text`` ends with."""
    return max(n for n in range(min(len(pattern), len(text)) + 1) if text.endswith(pattern[:n]))


def sequence_detector(pattern: str, overlap: bool, kind: str, reset: str) -> Circuit:
    """State k has seen the first k bits of the pattern; a Moore machine has one state more, for the whole of it."""
    chosen = RESETS[reset]
    length = len(pattern)
    mealy = kind == "Mealy"
    states = length if mealy else length + 1

    def step(state: int, bit: int) -> int:
        seen = pattern[:state]
        if state == length and not overlap:
            seen = ""
        found = _longest_prefix(pattern, seen + str(bit))
        if mealy and found == length:
            return _longest_prefix(pattern, pattern[1:]) if overlap else 0
        return found

    size = (states - 1).bit_length()
    table = [(step(state, 0), step(state, 1)) for state in range(states)]
    names = [f"S{i}" for i in range(states)]
    parameters = ", ".join(f"{name} = {size}'d{i}" for i, name in enumerate(names))
    cases = [
        f"            {names[i]}: next = din ? {names[one]} : {names[zero]};" for i, (zero, one) in enumerate(table)
    ]
    final = f"(state == S{length - 1}) & {'' if pattern[-1] == '1' else '~'}din" if mealy else f"(state == S{length})"
    block = always_clocked(["state <= next;"], chosen, ["state <= S0;"])
    body = f"""    localparam {parameters};
    reg {vec(size)}state, next;
{block}
    always @(*) begin
        case (state)
{chr(10).join(cases)}
            default: next = S0;
        endcase
    end
    assign found = {final};"""

    def out(state: int, v: dict[str, int]) -> dict[str, int]:
        if mealy:
            return {"found": int(state == length - 1 and v["din"] == int(pattern[-1]))}
        return {"found": int(state == length)}

    mode = "overlapping" if overlap else "non-overlapping"
    return Circuit(
        name="seq_detector",
        headlines=(
            article(f"{kind} FSM that detects the sequence {pattern}"),
            article(f"{kind} sequence detector for {pattern}"),
            article(f"{pattern} sequence detector as a {kind} machine"),
            article(f"{kind} state machine that recognises {pattern}"),
        ),
        inputs=(*controls(chosen), inp("din")),
        outputs=(outp("found"),),
        body=body,
        model=Clocked(reset_state=0, step=lambda s, v: None if s is None else step(s, v["din"]), out=out),
        facts=(
            Fact(
                (f"{mode} matches", f"{mode} detection"),
                (
                    f"Matches may {'' if overlap else 'not '}overlap.",
                    f"{mode.capitalize()} occurrences count.",
                    f"Detection is {mode}.",
                ),
            ),
            *reset_fact(chosen, "returns the machine to its first state"),
        ),
        reset=chosen,
        roles={"din": "serial input", "found": "sequence seen"},
        cycles=256,
    )


_PATTERNS = tuple(format(value, f"0{length}b") for length in (3, 4) for value in range(1 << length))

FAMILIES = (
    Family(
        "sequence_detector", "FSM sequence detectors", "medium", "sequential",
        {"pattern": _PATTERNS, "overlap": (True, False), "kind": ("Moore", "Mealy"), "reset": WITH_RESET}, sequence_detector,
    ),
)  # fmt: skip
