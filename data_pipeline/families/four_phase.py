"""Families of request/acknowledge machines: the two sides of a four-phase handshake."""

from __future__ import annotations

from data_pipeline.circuit import (
    RESETS,
    WITH_RESET,
    Circuit,
    Clocked,
    Fact,
    Family,
    Values,
    a_bit,
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
from data_pipeline.families.timers import nth

_State = tuple[int, int]  # the phase, the stored word


def req_ack_receiver(width: int, delay: int, reset: str, generic: bool) -> Circuit:
    """Phase 0 is idle, phases 1 to ``delay`` wait, the last one acknowledges."""
    chosen = RESETS[reset]
    size = Size(width, "WIDTH" if generic else "")

    def step(state: _State | None, v: Values) -> _State | None:
        if state is None:
            return None
        phase, word = state
        if phase == 0:
            return (1, v["d"]) if v["req"] else state
        if phase <= delay:
            return phase + 1, word
        return (phase if v["req"] else 0), word

    later = "at the next clock edge" if delay == 1 else f"at the {nth(str(delay))} clock edge after that"
    when = f"{{ack}} rises {later}" if delay else "{ack} rises at the same edge"
    unseen = f" A change of {{req}} during the wait of {delay} is ignored." if delay else ""
    return Circuit(
        name="req_ack_receiver",
        headlines=(
            article(f"four-phase handshake receiver for {width}-bit data"),
            article(f"receiver of {a_bit(width)} four-phase request/acknowledge handshake"),
            article(f"four-phase handshake slave with {a_bit(width)} data input"),
            article(f"{width}-bit receiving end of a four-phase req/ack handshake"),
        ),
        inputs=(*controls(chosen), inp("req"), inp("d", width)),
        outputs=(outp("ack"), outp("q", width)),
        registers=frozenset({"q"} if delay else {"q", "ack"}),
        body=_receiver_body(size, delay, reset),
        model=Clocked(reset_state=(0, 0), step=step, out=lambda s, v: {"ack": int(s[0] == delay + 1), "q": s[1]}),
        facts=(
            *_req_ack_receiver_facts(when, unseen),
            *reset_fact(chosen, "returns the receiver to idle with {ack} and {q} at 0"),
            *parameter_fact(size.parameters, WIDTH="the width of {d} and {q}"),
        ),
        reset=chosen,
        parameters=size.parameters,
        ranges=size.ranges("d", "q"),
        roles={"req": "request", "ack": "acknowledge", "d": "data of the request", "q": "data received"},
        busy={"req": 0.6},
        cycles=160,
    )


def _req_ack_receiver_facts(when: str, unseen: str) -> tuple[Fact, ...]:
    return (
        Fact(
            (),
            (
                f"When idle, a clock edge with {{req}} at 1 stores {{d}} in {{q}}, and {when}.{unseen}",
                f"Idle, it waits for a clock edge with {{req}} = 1; then {{q}} takes {{d}}, and {when}.{unseen}",
            ),
        ),
        Fact(
            (),
            (
                "{ack} stays 1 until a clock edge finds {req} at 0; then {ack} is 0 and the receiver idle again.",
                "The first later clock edge with {ack} at 1 and {req} at 0 sets {ack} to 0 and ends the handshake.",
            ),
        ),
    )


def _receiver_body(size: Size, delay: int, reset: str) -> str:
    chosen = RESETS[reset]
    if delay == 0:
        lines = ["if (!ack) begin", "    if (req) begin", "        ack <= 1'b1;", "        q <= d;", "    end",
                 "end else if (!req)", "    ack <= 1'b0;"]  # fmt: skip
        return always_clocked(lines, chosen, ["ack <= 1'b0;", f"q <= {size.zero};"])
    bits = max(1, (delay - 1).bit_length())
    counting = [f"    HOLD: if (timer == {bits}'d{delay - 1}) begin", f"        timer <= {bits}'d0;",
                "        state <= DONE;", "    end else", f"        timer <= timer + {bits}'d1;"]  # fmt: skip
    lines = [
        "case (state)",
        "    IDLE: if (req) begin",
        "        q <= d;",
        "        state <= HOLD;",
        "    end",
        *(counting if delay > 1 else ["    HOLD: state <= DONE;"]),
        "    default: if (!req)",
        "        state <= IDLE;",
        "endcase",
    ]
    clear = ["state <= IDLE;", f"q <= {size.zero};", *([f"timer <= {bits}'d0;"] if delay > 1 else [])]
    declared = f"    reg {vec(bits)}timer;\n" if delay > 1 else ""
    return f"""    localparam IDLE = 2'd0, HOLD = 2'd1, DONE = 2'd2;
    reg [1:0] state;
{declared}{always_clocked(lines, chosen, clear)}
    assign ack = (state == DONE);"""


_SENDER_LINES = [
    "case (state)",
    "    IDLE: if (start) begin",
    "        q <= d;",
    "        state <= ASK;",
    "    end",
    "    ASK: if (ack)",
    "        state <= DROP;",
    "    default: if (!ack)",
    "        state <= IDLE;",
    "endcase",
]


def req_ack_sender(width: int, done: str, reset: str, generic: bool) -> Circuit:
    """Phase 0 is idle, 1 requests, 2 waits for the acknowledge to go. ``done`` adds a pulse at the end."""
    chosen = RESETS[reset]
    size = Size(width, "WIDTH" if generic else "")
    pulse = done == "pulse"

    def step(state: tuple[int, int, int] | None, v: Values) -> tuple[int, int, int] | None:
        if state is None:
            return None
        phase, word, _ = state
        if phase == 0:
            return (1, v["d"], 0) if v["start"] else (0, word, 0)
        if phase == 1:
            return (2 if v["ack"] else 1), word, 0
        return (2, word, 0) if v["ack"] else (0, word, 1)

    lines = ["done <= (state == DROP) && !ack;", *_SENDER_LINES] if pulse else _SENDER_LINES
    clear = ["state <= IDLE;", f"q <= {size.zero};", *(["done <= 1'b0;"] if pulse else [])]
    return Circuit(
        name="req_ack_sender",
        headlines=(
            article(f"four-phase handshake sender for {width}-bit data"),
            article(f"sender of {a_bit(width)} four-phase request/acknowledge handshake"),
            article(f"four-phase handshake master with {width}-bit data"),
            article(f"{width}-bit sending end of a four-phase req/ack handshake"),
        ),
        inputs=(*controls(chosen), inp("start"), inp("d", width), inp("ack")),
        outputs=(outp("req"), outp("q", width), outp("busy"), *((outp("done"),) if pulse else ())),
        registers=frozenset({"q", "done"} if pulse else {"q"}),
        body="    localparam IDLE = 2'd0, ASK = 2'd1, DROP = 2'd2;\n    reg [1:0] state;\n"
        + always_clocked(lines, chosen, clear)
        + "\n    assign req = (state == ASK);\n    assign busy = (state != IDLE);",
        model=Clocked(
            reset_state=(0, 0, 0),
            step=step,
            out=lambda s, v: {"req": int(s[0] == 1), "q": s[1], "busy": int(s[0] != 0), "done": s[2]},
        ),
        facts=(
            *_REQ_ACK_SENDER,
            Fact((), ("{start} is ignored while {busy} is 1.", "{ack} is ignored when idle, {start} when busy.")),
            *((_DONE,) if pulse else ()),
            *reset_fact(chosen, "returns the sender to idle with all outputs at 0"),
            *parameter_fact(size.parameters, WIDTH="the width of {d} and {q}"),
        ),
        reset=chosen,
        parameters=size.parameters,
        ranges=size.ranges("d", "q"),
        roles=_REQ_ACK_SENDER_ROLES,
        cycles=160,
    )  # fmt: skip


_REQ_ACK_SENDER_ROLES = {
    "start": "starts a handshake",
    "req": "request",
    "ack": "acknowledge",
    "d": "data to send",
    "q": "data sent",
    "busy": "handshake under way",
    "done": "handshake ended",
}


_REQ_ACK_SENDER = (
    Fact(
        (),
        (
            "A clock edge with {start} at 1 and {busy} at 0 stores {d} in {q} and sets {req} and {busy}. {req} is "
            "cleared when an edge then finds {ack} at 1; {busy} when a later edge finds {ack} at 0.",
            "Idle ({busy} = 0), it takes {d} into {q} at an edge with {start} = 1, and raises {req} and {busy}. "
            "It drops {req} at the first edge with {ack} = 1, then {busy} at the first edge with {ack} = 0.",
        ),
    ),
)


_DONE = Fact(
    ("a pulse of one cycle on {done} right after {busy} falls",),
    (
        "{done} is 1 for the one cycle after the edge that clears {busy}.",
        "The edge that clears {busy} also sets {done} for one cycle.",
    ),
)

FAMILIES = (
    Family(
        "req_ack_receiver", "four-phase handshakes", "medium", "sequential",
        {"width": (4, 8, 16), "delay": (0, 1, 4, 6, 7), "reset": WITH_RESET, "generic": (False, True)},
        req_ack_receiver,
    ),
    Family(
        "req_ack_sender", "four-phase handshakes", "medium", "sequential",
        {"width": (4, 6, 8, 12, 16, 24, 32), "done": ("none", "pulse"), "reset": WITH_RESET, "generic": (False, True)},
        req_ack_sender,
    ),
)  # fmt: skip
