"""Families of arbiters with fixed priorities: granting anew at every clock edge, or locked to the holder."""

from __future__ import annotations

import random
from collections.abc import Iterator

from data_pipeline.circuit import (
    RESETS,
    WITH_RESET,
    Circuit,
    Clocked,
    Fact,
    Family,
    Values,
    always_clocked,
    article,
    controls,
    inp,
    outp,
    parameter_fact,
    reset_fact,
)
from data_pipeline.families.sizes import Size

_ROLES = {"req": "requests, one bit per requester", "grant": "one-hot grant"}


def _winner(req: int, first: str) -> int:
    """The one-hot grant of the lowest or highest request; 0 without one."""
    if first == "lowest":
        return req & -req
    return 1 << req.bit_length() - 1 if req else 0


def _winner_body(size: Size, first: str) -> str:
    """RTL for ``winner``: an expression for the lowest of a fixed number of requests, else a loop."""
    if first == "lowest" and not size.name:
        return f"    wire {size.range}winner = req & (~req + {size.number}'d1);\n"
    order = "i = 0; i < {0}; i = i + 1" if first == "highest" else "i = {0} - 1; i >= 0; i = i - 1"
    one = f"{{{{({size.top}){{1'b0}}}}, 1'b1}}" if size.name else f"{size.number}'d1"
    return f"""    reg {size.range}winner;
    integer i;
    always @(*) begin
        winner = {size.zero};
        for ({order.format(size.text)})
            if (req[i])
                winner = {one} << i;
    end
"""


def _requests(rng: random.Random, count: int) -> Iterator[Values]:
    """No request, one, and several, each for a cycle or two, so that the weakest requester has its chance."""
    while True:
        req = rng.choice((0, 1 << rng.randrange(count), rng.getrandbits(count), rng.getrandbits(count)))
        for _ in range(rng.randint(1, 2)):
            yield {"req": req}


def _priority(first: str) -> Fact:
    which = "lowest" if first == "lowest" else "highest"
    return Fact(
        (f"priority to the {which}-numbered request",),
        (
            f"Of several requests the one with the {which} index wins.",
            f"The {which} bit of {{req}} that is 1 has priority.",
            f"Priority: {which} index first.",
        ),
    )


def fixed_priority_arbiter(requesters: int, first: str, idle: str, reset: str, generic: bool) -> Circuit:
    chosen = RESETS[reset]
    size = Size(requesters, "N" if generic else "")
    parks = idle == "keeps"

    def step(grant: int | None, v: Values) -> int | None:
        if grant is None:
            return None
        return grant if parks and not v["req"] else _winner(v["req"], first)

    block = always_clocked(["grant <= winner;"], chosen, [f"grant <= {size.zero};"], enable="|req" if parks else None)
    return Circuit(
        name="priority_arbiter",
        headlines=(
            article(f"fixed-priority arbiter for {requesters} requesters"),
            article(f"{requesters}-way fixed-priority arbiter with a registered one-hot grant"),
            article(f"arbiter with fixed priorities and {requesters} request lines"),
            article(f"static-priority arbiter, {requesters} requests, registered grant"),
        ),
        inputs=(*controls(chosen), inp("req", requesters)),
        outputs=(outp("grant", requesters),),
        registers=frozenset({"grant"}),
        body=_winner_body(size, first) + block,
        model=Clocked(reset_state=0, step=step, out=lambda grant, v: {"grant": grant}),
        facts=(
            Fact(
                (),
                (
                    "At each clock edge {grant} becomes the one-hot code of the winning bit of {req}.",
                    "{grant} is registered: the bit of the request that wins at a clock edge is 1 after it, the others 0.",
                ),
            ),
            _priority(first),
            Fact(_IDLE[idle][0], _IDLE[idle][1]),
            *reset_fact(chosen, "clears {grant}"),
            *parameter_fact(size.parameters, N="the number of requesters"),
        ),
        reset=chosen,
        parameters=size.parameters,
        ranges=size.ranges("req", "grant"),
        roles=_ROLES,
        stimulus=lambda rng: _requests(rng, requesters),
        cycles=128,
    )


_IDLE = {
    "clears": (
        ("a grant of 0 when nobody requests",),
        ("{grant} becomes 0 when there is no request.", "Without a request {grant} becomes 0 at the clock edge."),
    ),
    "keeps": (
        ("a grant that stays where it is while nobody requests",),
        ("{grant} keeps its value while {req} is 0.", "At an edge without any request {grant} does not change."),
    ),
}


def locked_arbiter(requesters: int, first: str, release: str, reset: str, generic: bool) -> Circuit:
    chosen = RESETS[reset]
    size = Size(requesters, "N" if generic else "")
    gap = release == "gap"

    def step(grant: int | None, v: Values) -> int | None:
        if grant is None or grant & v["req"]:
            return grant
        return 0 if gap and grant else _winner(v["req"], first)

    free = f"if ((grant & req) == {size.zero})"
    lines = [f"if (grant == {size.zero})", "    grant <= winner;", f"else {free}", f"    grant <= {size.zero};"]
    block = always_clocked(lines if gap else [free, "    grant <= winner;"], chosen, [f"grant <= {size.zero};"])
    return Circuit(
        name="locked_arbiter",
        headlines=(
            article(f"arbiter for {requesters} requesters that lets the holder keep its grant"),
            article(f"{requesters}-way locking arbiter with fixed priority"),
            article(f"non-preemptive arbiter for {requesters} requests"),
            article(f"bus arbiter with {requesters} requests that never takes a grant away"),
        ),
        inputs=(*controls(chosen), inp("req", requesters)),
        outputs=(outp("grant", requesters), outp("busy")),
        registers=frozenset({"grant"}),
        body=f"{_winner_body(size, first)}{block}\n    assign busy = |grant;",
        model=Clocked(reset_state=0, step=step, out=lambda grant, v: {"grant": grant, "busy": int(grant != 0)}),
        facts=(
            Fact(
                (),
                (
                    "{grant} is a one-hot register; its holder keeps it as long as its bit of {req} is 1 at each clock edge.",
                    "Whoever has the registered one-hot {grant} holds it until a clock edge finds its bit of {req} at 0.",
                ),
            ),
            Fact((), _RELEASE[release]),
            _priority(first),
            Fact(("{busy} telling that there is a grant",), ("{busy} is 1 while any bit of {grant} is 1.",)),
            *reset_fact(chosen, "clears {grant}"),
            *parameter_fact(size.parameters, N="the number of requesters"),
        ),
        reset=chosen,
        parameters=size.parameters,
        ranges=size.ranges("req", "grant"),
        roles=_ROLES | {"busy": "somebody has the grant"},
        stimulus=lambda rng: _requests(rng, requesters),
        cycles=128,
    )  # fmt: skip


_RELEASE = {
    "at once": (
        "A clock edge with no holder, or with one that no longer requests, grants the winner (0 without a request).",
        "When there is no holder, or its bit of {req} is 0, {grant} goes to the winner at that clock edge, or to 0 if "
        "nobody requests.",
    ),
    "gap": (
        "An edge that finds the holder's request at 0 sets {grant} to 0, even if others request; an edge that finds "
        "{grant} at 0 grants the winner, if any.",
        "Giving up takes one cycle with {grant} at 0; only an edge that finds {grant} at 0 grants a new winner, if any.",
    ),
}


FAMILIES = (
    Family(
        "fixed_priority_arbiter", "arbiters", "medium", "sequential",
        {"requesters": (3, 4, 5, 6, 8), "first": ("lowest", "highest"), "idle": ("clears", "keeps"), "reset": WITH_RESET,
         "generic": (False, True)},
        fixed_priority_arbiter,
    ),
    Family(
        "locked_arbiter", "arbiters", "medium", "sequential",
        {"requesters": (2, 3, 4, 5, 6), "first": ("lowest", "highest"), "release": ("at once", "gap"), "reset": WITH_RESET,
         "generic": (False, True)},
        locked_arbiter,
    ),
)  # fmt: skip
