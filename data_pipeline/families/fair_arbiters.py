"""Families of fair arbiters: round robin and rotating priority, and weighted between two requesters."""

from __future__ import annotations

from data_pipeline.circuit import (
    RESETS,
    WITH_RESET,
    Circuit,
    Clocked,
    Fact,
    Family,
    Reset,
    Values,
    always_clocked,
    article,
    controls,
    inp,
    outp,
    parameter_fact,
    reset_fact,
    vec,
)
from data_pipeline.families.sizes import Size


def _first_from(turn: int, req: int, count: int) -> int | None:
    return next((i for i in (*range(turn, count), *range(turn)) if req >> i & 1), None)


def _rotating_body(count: int, style: str) -> str:
    """RTL for ``winner``: a case over ``turn``, or requests turned right by ``turn`` and the winner back."""
    bits = (count - 1).bit_length()
    if style == "rotate":
        return f"""    wire {vec(2 * count)}twice = {{req, req}} >> turn;
    wire {vec(count)}turned = twice[{count - 1}:0];
    wire {vec(count)}lowest = turned & (~turned + {count}'d1);
    wire {vec(2 * count)}back = {{lowest, lowest}} << turn;
    wire {vec(count)}winner = back[{2 * count - 1}:{count}];
"""
    rows = []
    for turn in range(count):
        order = [*range(turn, count), *range(turn)]
        picks = " : ".join(f"req[{i}] ? {count}'b{1 << i:0{count}b}" for i in order)
        label = "default" if turn == count - 1 else f"{bits}'d{turn}"
        rows.append(f"            {label}: winner = {picks} : {count}'b{0:0{count}b};")
    lines = "\n".join(rows)
    return f"""    reg {vec(count)}winner;
    always @(*) begin
        case (turn)
{lines}
        endcase
    end
"""


def _turn_lines(count: int, update: str) -> list[str]:
    bits = (count - 1).bit_length()
    if update == "every cycle":
        return [f"turn <= (turn == {bits}'d{count - 1}) ? {bits}'d0 : turn + {bits}'d1;"]
    lines = []
    for i in range(count):
        lines += [f"{'else ' * (i > 0)}if (winner[{i}])", f"    turn <= {bits}'d{(i + 1) % count};"]
    return lines


def round_robin_arbiter(requesters: int, update: str, output: str, style: str, reset: str) -> Circuit:
    """The state is (whose turn it is, the registered grant)."""
    chosen = RESETS[reset]
    registered = output == "registered"
    follows = update == "after grant"

    def step(state: tuple[int, int] | None, v: Values) -> tuple[int, int] | None:
        if state is None:
            return None
        turn = state[0]
        found = _first_from(turn, v["req"], requesters)
        grant = 0 if found is None else 1 << found
        after = turn if found is None else (found + 1) % requesters
        return (after if follows else (turn + 1) % requesters), grant

    def out(state: tuple[int, int], v: Values) -> dict[str, int]:
        found = _first_from(state[0], v["req"], requesters)
        return {"grant": state[1] if registered else 0 if found is None else 1 << found}

    bits = (requesters - 1).bit_length()
    lines = [*(["grant <= winner;"] if registered else []), *_turn_lines(requesters, update)]
    clear = [f"turn <= {bits}'d0;", *([f"grant <= {requesters}'d0;"] if registered else [])]
    noun = "round-robin arbiter" if follows else "rotating-priority arbiter"
    return Circuit(
        name="rr_arbiter" if follows else "rotating_arbiter",
        headlines=(
            article(f"{noun} for {requesters} requesters"),
            article(f"{noun} with {requesters} request lines"),
            article(f"{requesters}-way {noun}"),
            article(f"{noun} that shares one resource among {requesters} requesters"),
        ),
        inputs=(*controls(chosen), inp("req", requesters)),
        outputs=(outp("grant", requesters),),
        registers=frozenset({"grant"}) if registered else frozenset(),
        body=f"    reg {vec(bits)}turn;\n{_rotating_body(requesters, style)}{always_clocked(lines, chosen, clear)}"
        + ("" if registered else "\n    assign grant = winner;"),
        model=Clocked(reset_state=(0, 0), step=step, out=out),
        facts=(
            Fact((), _ROTATION),
            Fact((), _UPDATE[update]),
            Fact(_GRANT[output][0], _GRANT[output][1]),
            *reset_fact(chosen, "gives the first turn to requester 0" + (" and clears {grant}" if registered else "")),
        ),
        reset=chosen,
        roles={"req": "requests, one bit per requester", "grant": "one-hot grant"},
    )


_ROTATION = (
    "The search for a request starts at the requester whose turn it is and goes up, from the last on to 0; the first one "
    "found wins.",
    "A pointer tells whose turn it is; that requester has the highest priority, then the next higher indices, wrapping "
    "around to 0.",
)
_UPDATE = {
    "after grant": (
        "At each clock edge with a request the turn passes to the requester after the winner; without one it stays.",
        "The pointer moves to one past the winner at the clock edge, and stays if nobody requests.",
    ),
    "every cycle": (
        "The turn moves on by one requester at every clock edge, whoever requests.",
        "The pointer advances by one at each clock edge, wrapping around, even without requests.",
    ),
}
_GRANT = {
    "registered": (
        ("a registered one-hot grant, 0 without a request",),
        (
            "At each clock edge {grant} takes the one-hot winner among the bits of {req}, or 0 without a request.",
            "{grant} is a one-hot register, loaded with the winner at each clock edge (0 if nobody requests).",
        ),
    ),
    "combinational": (
        ("a combinational one-hot grant, 0 without a request",),
        (
            "{grant} is one-hot for the winner among the bits of {req}, combinationally, and 0 without a request.",
            "{grant} depends on {req} in the same cycle; it is 0 when nobody requests.",
        ),
    ),
}


def weighted_arbiter(weight: int, output: str, reset: str, generic: bool) -> Circuit:
    """The state is (A's contested wins in a row, who was granted last: 0, 1 for A, 2 for B)."""
    chosen = RESETS[reset]
    size = Size(weight, "WEIGHT" if generic else "")
    registered = output == "registered"

    def pick(wins: int, v: Values) -> int:
        if v["req_b"] and (not v["req_a"] or wins == weight):
            return 2
        return v["req_a"]

    def step(state: tuple[int, int] | None, v: Values) -> tuple[int, int] | None:
        if state is None:
            return None
        winner = pick(state[0], v)
        return (0 if winner == 2 else state[0] + (v["req_a"] & v["req_b"])), winner

    def out(state: tuple[int, int], v: Values) -> dict[str, int]:
        winner = state[1] if registered else pick(state[0], v)
        return {"grant_a": int(winner == 1), "grant_b": int(winner == 2)}

    return Circuit(
        name="weighted_arbiter",
        headlines=(
            article(f"weighted arbiter of two requesters with weights {weight} to 1"),
            article(f"{weight}:1 weighted arbiter for two requesters"),
            article(f"two-way arbiter that favours requester A {weight} to 1"),
            article(f"arbiter between two requesters that serves A {weight} times for each time it serves B"),
        ),
        inputs=(*controls(chosen), inp("req_a"), inp("req_b")),
        outputs=(outp("grant_a"), outp("grant_b")),
        registers=frozenset({"grant_a", "grant_b"}) if registered else frozenset(),
        body=_weighted_body(size, chosen, registered),
        model=Clocked(reset_state=(0, 0), step=step, out=out),
        facts=(
            *_weighted_arbiter_facts(weight),
            Fact(_WEIGHTED_GRANT[output][0], _WEIGHTED_GRANT[output][1]),
            *reset_fact(chosen, f"sets A's count to 0{' and clears both grants' * registered}"),
            *parameter_fact(size.parameters, WEIGHT="the number of contests that A wins before B wins one"),
        ),
        reset=chosen,
        parameters=size.parameters,
        roles={"req_a": "A requests", "req_b": "B requests", "grant_a": "A may go", "grant_b": "B may go"},
        busy={"req_a": 0.85, "req_b": 0.85},
        cycles=160,
    )


def _weighted_arbiter_facts(weight: int) -> tuple[Fact, ...]:
    return (
        Fact(
            (),
            (
                f"A single request wins. When {{req_a}} and {{req_b}} are both 1 at a clock edge, A wins {weight} such "
                "contests and then B one. Any win of B starts A's count anew; only contests count.",
                f"A request alone always wins. In contests (both request), A wins until it has won {weight} of them "
                "since B's last win of any kind; then B wins.",
            ),
        ),
    )


def _weighted_body(size: Size, reset: Reset | None, registered: bool) -> str:
    bits = 8 if size.name else size.number.bit_length()
    limit = size.name or f"{bits}'d{size.number}"
    lines = ["if (pick_b)", f"    wins <= {bits}'d0;", "else if (req_a && req_b)", f"    wins <= wins + {bits}'d1;"]
    clear = [f"wins <= {bits}'d0;"]
    if registered:
        lines = ["grant_a <= pick_a;", "grant_b <= pick_b;", *lines]
        clear = ["grant_a <= 1'b0;", "grant_b <= 1'b0;", *clear]
    ends = "" if registered else "\n    assign grant_a = pick_a;\n    assign grant_b = pick_b;"
    return f"""    reg {vec(bits)}wins;
    wire pick_b = req_b && (!req_a || wins == {limit});
    wire pick_a = req_a && !pick_b;
{always_clocked(lines, reset, clear)}{ends}"""


_WEIGHTED_GRANT = {
    "registered": (
        ("registered grants",),
        (
            "{grant_a} and {grant_b} are registers that take the result at each clock edge; both are 0 without requests.",
            "The grants are registered: {grant_a} or {grant_b} is 1 after an edge that it won, and both are 0 otherwise.",
        ),
    ),
    "combinational": (
        ("combinational grants",),
        (
            "{grant_a} and {grant_b} follow the requests combinationally; both are 0 without requests.",
            "The grants are combinational: in each cycle {grant_a} or {grant_b} is 1 for the winner, if there is one.",
        ),
    ),
}

FAMILIES = (
    Family(
        "round_robin_arbiter", "arbiters", "hard", "sequential",
        {"requesters": (2, 3, 4), "update": ("after grant", "every cycle"), "output": ("registered", "combinational"),
         "style": ("case", "rotate"), "reset": WITH_RESET},
        round_robin_arbiter,
    ),
    Family(
        "weighted_arbiter", "arbiters", "hard", "sequential",
        {"weight": (2, 3, 4, 5, 6, 7, 9), "output": ("registered", "combinational"), "reset": WITH_RESET,
         "generic": (False, True)},
        weighted_arbiter,
    ),
)  # fmt: skip
