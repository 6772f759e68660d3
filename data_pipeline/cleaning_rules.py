"""Decides which modules teach nothing or may not be used: each drop has a reason.

Reads `RtlModule` records; writes nothing. The rules read text and what extraction found; none runs a simulator.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

from autovcoder.config import Settings
from autovcoder.records import RtlModule
from hdl_sim.tokens import tokens

# What a permissive licence asks for is that notices stay; the corpus' provenance keeps them findable. SPDX names.
PERMISSIVE = frozenset({
    "0BSD", "Apache-2.0", "BSD-1-Clause", "BSD-2-Clause", "BSD-2-Clause-Patent", "BSD-2-Clause-Views",
    "BSD-3-Clause", "BSD-3-Clause-Clear", "BSL-1.0", "CC0-1.0", "CERN-OHL-P-2.0", "ISC", "MIT", "MIT-0",
    "MulanPSL-2.0", "NCSA", "SHL-0.5", "SHL-0.51",
    "SHL-2.0", "SHL-2.1", "Unlicense", "UPL-1.0", "WTFPL", "Zlib",
})  # fmt: skip


class CleanSettings(Settings):
    """What stays.

    Attributes:
        allow_licenses: SPDX names beyond the permissive ones; ``any`` allows all, none stated included.
        min_tokens, max_tokens: of a module's code, comments not counted, by the lexer of `hdl_sim.tokens`.
        max_characters: of a module's code, comments included.
    """

    allow_licenses: tuple[str, ...] = ()
    min_tokens: int = 20
    max_tokens: int = 6000
    max_characters: int = 40_000


_TEST_PATH = re.compile(
    r"(?:^|/)(?:tb|tbs|test|tests|testing|testbench|testbenches|bench|benches|sim|sims|simulation|dv|uvm|verif|"
    r"verification|fpv|formal|cosim|sva)/|(?:^|[/_.])(?:tb|testbench|test_?bench)(?:[_.]|\d*\.)",
    re.IGNORECASE,
)
_TEST_NAME = re.compile(r"(?:^|_)(?:tb|testbench|test_?bench)(?:_|\d*$)|^test_|_test$", re.IGNORECASE)
# Tasks that talk to a person or end a run; $error and $fatal also guard parameters in synthesizable code.
_SIMULATION_TASKS = frozenset({
    "$display", "$write", "$monitor", "$strobe", "$finish", "$stop", "$dumpfile", "$dumpvars", "$random", "$urandom",
    "$urandom_range", "$fopen", "$fclose", "$fdisplay", "$fwrite", "$fscanf", "$fgets", "$feof", "$readmemb", "$time",
    "$realtime", "$test$plusargs", "$value$plusargs", "$timeformat", "$cast", "$sformatf", "$fflush",
})  # fmt: skip
_SIMULATION_WORDS = frozenset({
    "force", "release", "fork", "wait", "event", "real", "realtime", "covergroup", "program", "class", "primitive",
    "specify", "randomize", "deassign", "forever", "rand", "string", "mailbox", "semaphore",
})  # fmt: skip
_GATES = frozenset({
    "and", "nand", "or", "nor", "xor", "xnor", "not", "buf", "bufif0", "bufif1", "notif0", "notif1", "nmos", "pmos",
})  # fmt: skip
_LOGIC = frozenset({"assign", "always", "always_ff", "always_comb", "always_latch", "initial", "function"})
_GENERATED = re.compile(
    r"\b(?:auto-?generated|automatically generated|machine[- ]generated)\b|\bdo not (?:edit|modify)\b|"
    r"\b(?:file|code|module|netlist|verilog|rtl)\b[^.\n]{0,30}\b(?:is|was|has been) (?:auto\w* )?generated\b|"
    r"\bgenerated (?:by|from|with|using)\b(?! (?:the|a|an|this|another|each|one)\b)|"
    r"\bcreated by\W+(?:vivado|xilinx|quartus|core ?gen|fizzim)|\bmegafunction wizard\b|"
    r"\bdesign compiler\b|\byosys\b.{0,20}\d",
    re.IGNORECASE,
)
# Where a file's comments end, or its first directive.
_FIRST_CODE = re.compile(
    r"^[ \t]*(?:`(?!timescale|default_nettype)|module\b|package\b|interface\b|import\b)", re.MULTILINE
)
_HEAD = 3000
_ENCRYPTED = re.compile(r"`(?:pragma\s+)?protect(?:ed)?\b|\bbegin_protected\b", re.IGNORECASE)
# Names of the vendors' libraries: Xilinx, Intel, Lattice, Microchip, Gowin, and the open process kits.
_VENDOR = re.compile(
    r"(?:IBUF|OBUF|IOBUF|BUF(?:G|H|R|IO|GMUX|GCE|G_PS|GCTRL)|[IO]BUFT?DS|RAMB?\d+|FIFO\d+E|DSP48|LUT[1-6]|FD[CPRS]E?|"
    r"CARRY[48]|MUXF[78]|SRLC?(?:16|32)E?|XORCY|MUXCY|MMCM|PLLE?\d|DCM|[IO]SERDES|[IO]DELAY|[IO]DDR|GT[HPXYM]E\d|"
    r"GTX?_|BSCAN|STARTUP|ICAPE?\d?|XADC|SYSMON|PS[78]|URAM|EFUSE_|DNA_PORT|FRAME_ECC|CAPTURE_|USR_ACCESS|"
    r"alt(?:syncram|pll|ddio|clkctrl|era_|dpram|mult_|fp_|lvds|iobuf)|lpm_|dcfifo|scfifo|cyclone|stratix|arria|"
    r"twentynm|fiftyfivenm|SB_[A-Z]|EHX|EHXPLL|DCCA|OSCG|ODDRX|IDDRX|USRMCLK|JTAGG|TRELLIS_|CLKDIV[A-Z]|DELAYG|"
    r"rPLL|Gowin_|sky130_|gf180mcu_|sg13g2_|saed\d+|tsmc|NangateOpen)[A-Za-z0-9_]*$"
)
_DEFINE = re.compile(r"^`define(?:\\\n|[^\n])*\n", re.MULTILINE)
_SECRETS = tuple(
    re.compile(form)
    for form in (
        r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
        r"\bAKIA[0-9A-Z]{16}\b",  # Amazon
        r"\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_\w{60,}",
        r"\bglpat-[\w-]{20}\b",
        r"\bsk-(?:proj-|ant-)?[A-Za-z0-9_-]{32,}\b",  # OpenAI, Anthropic
        r"\bhf_[A-Za-z0-9]{34}\b",
        r"\bxox[abprs]-[0-9A-Za-z-]{20,}",  # Slack
        r"\bAIza[0-9A-Za-z_-]{35}\b",  # Google
        r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}",  # a JSON web token
        r"(?i)\b(?:password|passwd|secret_key|api_key)\s*[:=]\s*[\"'][^\"'\s]{8,}[\"']",
    )
)


def reason_to_drop(module: RtlModule, settings: CleanSettings) -> str | None:
    """Why a module is not for the corpus; None when it stays. The first reason found counts."""
    if not license_is_allowed(module.provenance.license, settings.allow_licenses):
        return f"licence not allowed: {module.provenance.license or 'none stated'}"
    for reason in _TEXT_RULES:
        if found := reason(module):
            return found
    # Macros that came along, such as assertions, are not what the module is about.
    found_tokens = [token.text for token in tokens(_DEFINE.sub("", module.code))]
    if len(found_tokens) < settings.min_tokens:
        return "too short"
    if len(found_tokens) > settings.max_tokens or len(module.code) > settings.max_characters:
        return "too long"
    return next((found for rule in _TOKEN_RULES if (found := rule(module, found_tokens))), None)


def reason_to_drop_file(text: str) -> str | None:
    """Why no module of a file is for the corpus, by its head; None where one may be."""
    if _ENCRYPTED.search(text):
        return "encrypted"
    head = text[:_HEAD]
    # Only in the comments that a file begins with: elsewhere the words have other meanings.
    comments = head[: match.start()] if (match := _FIRST_CODE.search(head)) else head
    return "generated by a tool" if _GENERATED.search(comments) else None


def license_is_allowed(license: str | None, also: tuple[str, ...] = ()) -> bool:
    """True when one alternative of an SPDX expression asks for nothing but allowed licences.

    An exception (``WITH``) does not make a licence worse: `Apache-2.0 WITH SHL-2.1` is as good as Apache-2.0.
    """
    if "any" in also:
        return True
    if not license:
        return False
    allowed = {name.lower() for name in (*PERMISSIVE, *also)}
    for choice in re.split(r"\s+OR\s+", license.replace("(", " ").replace(")", " "), flags=re.IGNORECASE):
        parts = [
            re.split(r"\s+WITH\s+", part.strip(), flags=re.IGNORECASE)[0] for part in re.split(r"\s+AND\s+", choice)
        ]
        if all(part.strip().lower() in allowed for part in parts):
            return True
    return False


def _is_test(module: RtlModule) -> str | None:
    if _TEST_PATH.search(module.provenance.path):
        return "testbench: by its path"
    if _TEST_NAME.search(module.name):
        return "testbench: by its name"
    return None


def _has_secret(module: RtlModule) -> str | None:
    return "holds a secret" if any(form.search(module.code) for form in _SECRETS) else None


def _is_encrypted(module: RtlModule) -> str | None:
    return "encrypted" if _ENCRYPTED.search(module.code) else None


def _is_vendor(module: RtlModule) -> str | None:
    if _VENDOR.match(module.name):
        return "vendor primitive or its model"
    used = [name for name in module.instances if _VENDOR.match(name)]
    return f"instantiates a vendor primitive: {used[0][:40]}" if used else None


def _is_simulation(module: RtlModule, found: list[str]) -> str | None:
    words = set(found)
    if not module.ports:
        return "testbench: no ports"
    if special := sorted(words & _SIMULATION_WORDS):
        return f"simulation only: {special[0]}"
    tasks = words & _SIMULATION_TASKS
    talks = tasks - {"$readmemb", "$time", "$display", "$write", "$finish", "$stop", "$sformatf"}
    if talks:
        return f"simulation only: {min(talks)}"
    if "$finish" in tasks and "initial" in words and "always" not in words:
        return "simulation only: $finish"
    delays = sum(first == "#" and second[:1].isdigit() for first, second in pairwise(found))
    return "simulation only: delays" if delays > 2 else None


def _is_netlist(_: RtlModule, found: list[str]) -> str | None:
    statements = found.count(";")
    behaves = any(word in ("always", "always_ff", "always_comb", "always_latch", "?") for word in found)
    gates = sum(word in _GATES for word in found)
    escaped = sum(word.startswith("\\") for word in found)
    if escaped > 10 and escaped * 20 > len(found):
        return "netlist: escaped names"
    if not behaves and statements > 20 and gates * 2 > statements:
        return "netlist: gates"
    return None


def _is_empty(module: RtlModule, found: list[str]) -> str | None:
    # A black box; a net with an initial value drives what `assign` would.
    words = set(found)
    does_something = module.instances or words & (_LOGIC | _GATES) or {"=", "wire"} <= words
    return None if does_something else "empty: no logic"


_TEXT_RULES: tuple[Callable[[RtlModule], str | None], ...] = (
    _is_test,
    _has_secret,
    _is_encrypted,
    _is_vendor,
)
_TOKEN_RULES: tuple[Callable[[RtlModule, list[str]], str | None], ...] = (_is_simulation, _is_netlist, _is_empty)
