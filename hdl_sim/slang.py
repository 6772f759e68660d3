"""What RTL text says about itself: modules, ports, instances and diagnostics, by the slang front end.

Reads source text; writes nothing. The text is hostile: it is bounded in size and macro expansion before slang sees it,
slang bounds its own recursion and constant evaluation, and ``include`` reaches no file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from autovcoder.records import Diagnostic, Direction, Port
from hdl_sim.instances import MAX_ARRAY, MAX_INSTANCES, MAX_STEPS, instances_bound
from hdl_sim.macros import MAX_EXPANSION, expanded_size
from hdl_sim.nesting import text_may_nest_too_deep
from hdl_sim.tokens import plain_lines
from hdl_sim.trial import front_end_survives

if TYPE_CHECKING:
    import pyslang
    from pyslang import ast, syntax

# A thousand times a usual candidate; slang needs 40 ms for it.
MAX_CODE_BYTES = 1_000_000
# Rejected by slang, accepted by simulators, and harmless.
_SOFT = frozenset({"PackedDimsRequireFullRange", "UnusedPortDecl", "NotAllowedInGenerate"})
# Codes of ours, for text that slang is not given.
TOO_LARGE, TOO_DEEP = "TooLarge", "TooDeep"
_DIRECTIONS: dict[str, Direction] = {"In": "input", "Out": "output", "InOut": "inout", "Ref": "ref"}


@dataclass(frozen=True, slots=True)
class Module:
    """One module of a source text.

    Attributes:
        ports: in their order, widths with the defaults of parameters; empty where the text was not elaborated.
        header: the text from ``module`` to the ``;`` that closes the port list, comments included.
        first_line: of ``module``; ``last_line``: of ``endmodule``; both count from 1.
        instances: names of the modules that it instantiates, each once, in their order.
    """

    name: str
    ports: tuple[Port, ...]
    header: str
    first_line: int
    last_line: int
    instances: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """What slang found in a text."""

    modules: tuple[Module, ...]
    diagnostics: tuple[Diagnostic, ...]
    _syntax_codes: frozenset[str] = frozenset()

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.diagnostics if d.severity == "error")

    @property
    def syntax_errors(self) -> tuple[Diagnostic, ...]:
        return tuple(d for d in self.errors if self.is_syntax(d))

    def is_syntax(self, diagnostic: Diagnostic) -> bool:
        """True when a diagnostic is about the form of the text, false when it is about its meaning."""
        return diagnostic.code in self._syntax_codes

    @property
    def refused(self) -> bool:
        """True when slang was not given the text, or gave up on it."""
        return any(d.code in (TOO_LARGE, TOO_DEEP) for d in self.diagnostics)

    def module(self, name: str) -> Module | None:
        return next((m for m in self.modules if m.name == name), None)


def read_source(code: str, *, elaborate: bool = True, tops: Collection[str] = ()) -> Source:
    """Parse RTL text, and elaborate it when asked.

    Widths of ports, undefined modules and names, and all else that needs meaning come from elaboration. Text above
    `MAX_CODE_BYTES` or `MAX_EXPANSION`, or nested too deep for slang, gives no module and one syntax error.

    Args:
        tops: modules to elaborate as tops too, with their defaults, whatever in the text instantiates them.

    Raises:
        ToolFailed: a text that may nest too deep cannot be tried in a process of its own.
    """
    code = plain_lines(code.encode(errors="replace").decode())  # lone surrogates cannot be handed to slang
    refusal = _refusal(code)
    return _refused(refusal) if refusal else read_unbounded(code, elaborate=elaborate, tops=tops)


def read_unbounded(code: str, *, elaborate: bool = True, tops: Collection[str] = ()) -> Source:
    """`read_source` for a text that `text_is_bounded`; any other may end the process."""
    try:
        tree = parse(code)
        found = list(tree.diagnostics)
        syntax_codes = frozenset(code_name(d) for d in found)
        if instances_bound(module_nodes(tree)) > MAX_INSTANCES:
            return _refused(_error("the text makes too many instances", TOO_LARGE))
        compilations = list(compile_tops(tree, tops)) if elaborate else []
        if compilations:
            found = [item for compilation in compilations for item in compilation.getAllDiagnostics()]
        modules = tuple(_read_modules(tree, compilations[0] if compilations else None))
        return Source(modules, tuple(dict.fromkeys(_diagnostics(found, tree))), syntax_codes)
    except MemoryError:
        return _refused(_error("the text needs too much memory", TOO_LARGE))
    except RuntimeError:
        # slang gives up on text whose parentheses or statements nest about a thousand deep.
        return _refused(_error("the text nests too deep", TOO_DEEP))


def verilog2001_violations(code: str) -> tuple[Diagnostic, ...]:
    """SystemVerilog constructs in code that was asked to be Verilog-2001, each with its place.

    Judged on form alone: a variable that only a procedure may drive there, but that a continuous assignment drives, is
    not noticed. Text that is too large or nested too deep gives nothing here; `read_source` tells.
    """
    from hdl_sim.verilog2001 import violations

    return violations(code.encode(errors="replace").decode())


def parse(code: str) -> syntax.SyntaxTree:
    """The syntax tree of a text that `text_is_bounded`.

    Raises:
        RuntimeError: the text nests too deep.
    """
    import pyslang
    from pyslang import syntax

    return syntax.SyntaxTree.fromText(code, pyslang.SourceManager(), "design", "", _options())


def compile_tree(tree: syntax.SyntaxTree, options: pyslang.Bag | None = None) -> ast.Compilation:
    """A compilation that holds this one tree."""
    from pyslang import ast

    compilation = ast.Compilation(options or _options())
    compilation.addSyntaxTree(tree)
    return compilation


def compile_tops(tree: syntax.SyntaxTree, tops: Collection[str]) -> Iterator[ast.Compilation]:
    """A compilation of the tree, and one more with ``tops`` at the top where something instantiates one of them."""
    compilation = compile_tree(tree)
    yield compilation
    defined = {node.header.name.valueText for node in module_nodes(tree)}
    forced = set(tops) & defined
    if forced - {top.name for top in compilation.getRoot().topInstances}:
        options = _options()
        compiled = options.compilationOptions
        compiled.topModules = forced
        options.compilationOptions = compiled
        yield compile_tree(tree, options)


def code_name(diagnostic: pyslang.Diagnostic) -> str:
    """The front end's name of a kind of diagnostic, such as ``ExpectedToken``."""
    return str(diagnostic.code).removeprefix("DiagCode(").removesuffix(")")


def is_hard(diagnostic: pyslang.Diagnostic) -> bool:
    """True for an error that simulators have too, not slang alone."""
    return diagnostic.isError() and code_name(diagnostic) not in _SOFT


@lru_cache(maxsize=4096)
def is_plain_name(name: str) -> bool:
    """True for a name that can stand in a text without a backslash: an identifier, and no keyword."""
    if not re.fullmatch(r"[A-Za-z_][\w$]{0,1000}", name, re.ASCII):
        return False
    return not read_source(f"module m; wire {name}; endmodule", elaborate=False).errors


def text_is_bounded(code: str) -> bool:
    """True when the text is small enough for slang to be given it."""
    return _refusal(code) is None


def _options() -> pyslang.Bag:
    import pyslang
    from pyslang import ast, parsing

    bag = pyslang.Bag()
    preprocessor = parsing.PreprocessorOptions()
    preprocessor.maxIncludeDepth = 0
    preprocessor.predefines = ["__ICARUS__=1"]  # what Icarus sees is what must be read
    compilation = ast.CompilationOptions()
    # A constant function may take this many steps; simulators accept more, designs need far fewer.
    compilation.maxConstexprSteps = 200_000
    # Each is below what a design needs by far; `instances_bound` sees to their products.
    compilation.maxInstanceArray = MAX_ARRAY
    compilation.maxGenerateSteps = MAX_STEPS
    compilation.maxInstanceDepth = 64
    bag.preprocessorOptions = preprocessor
    bag.compilationOptions = compilation
    return bag


def _error(message: str, code: str) -> Diagnostic:
    return Diagnostic(severity="error", message=message, line=1, column=1, code=code)


def _refused(diagnostic: Diagnostic) -> Source:
    return Source((), (diagnostic,), frozenset({diagnostic.code or ""}))


def _refusal(code: str) -> Diagnostic | None:
    if len(code) > MAX_CODE_BYTES or len(code.encode()) > MAX_CODE_BYTES:
        return _error(f"the text is larger than {MAX_CODE_BYTES} bytes", TOO_LARGE)
    if "`define" in code and expanded_size(code) > MAX_EXPANSION:
        return _error("the macros expand to too much text", TOO_LARGE)
    if text_may_nest_too_deep(code) and not front_end_survives(code):
        return _error("the text nests too deep", TOO_DEEP)
    return None


def _diagnostics(found: Iterable[pyslang.Diagnostic], tree: syntax.SyntaxTree) -> Iterable[Diagnostic]:
    import pyslang

    manager = tree.sourceManager
    engine = pyslang.DiagnosticEngine(manager)
    for item in found:
        name = code_name(item)
        place = manager.getFullyExpandedLoc(item.location)
        severity = "error" if is_hard(item) else "warning"
        yield Diagnostic(
            severity="error" if severity == "error" else "warning",
            message=_message(engine, item, name),
            line=manager.getLineNumber(place) or None,
            column=manager.getColumnNumber(place) or None,
            code=name,
        )


def _message(engine: Any, item: Any, name: str) -> str:
    """The diagnostic in words; its code's name where slang quotes a piece of garbage that is no text."""
    try:
        return str(engine.formatMessage(item))
    except UnicodeDecodeError:
        return name


def _read_modules(tree: syntax.SyntaxTree, compilation: ast.Compilation | None) -> Iterable[Module]:
    named = [node for node in module_nodes(tree) if node.header.name.valueText]
    ports = elaborated_ports(tree, compilation, {n.header.name.valueText for n in named}) if compilation else {}
    manager = tree.sourceManager
    for node in named:
        name = node.header.name.valueText
        yield Module(
            name=name,
            ports=ports.get(name, ()),
            header=_header_text(node.header, manager),
            first_line=manager.getLineNumber(manager.getFullyExpandedLoc(node.header.moduleKeyword.location)),
            last_line=manager.getLineNumber(manager.getFullyExpandedLoc(node.endmodule.location)),
            instances=instances_of(node),
        )


def module_nodes(tree: syntax.SyntaxTree) -> list[Any]:
    """The declarations of modules in a tree, nested ones included."""
    from pyslang import syntax

    found: list[Any] = []
    tree.root.visit(lookup_table={syntax.SyntaxKind.ModuleDeclaration: found.append})
    return found


def _header_text(header: Any, manager: pyslang.SourceManager) -> str:
    first, last = header.moduleKeyword.location, header.semi.location
    if header.semi.isMissing or first.buffer != last.buffer or last.offset < first.offset:
        return str(header).strip()  # partly from a macro, or unfinished
    # Offsets count bytes of UTF-8.
    text = manager.getSourceText(first.buffer).encode()[first.offset : last.offset].decode(errors="replace")
    return text.rstrip() + ";"


def instances_of(node: Any) -> tuple[str, ...]:
    """The names of the modules that a declaration instantiates, each once, in their order."""
    from pyslang import syntax

    found: list[Any] = []
    node.visit(lookup_table={syntax.SyntaxKind.HierarchyInstantiation: found.append})
    return tuple(dict.fromkeys(instance.type.valueText for instance in found))


def elaborated_ports(
    tree: syntax.SyntaxTree, compilation: ast.Compilation, names: set[str]
) -> dict[str, tuple[Port, ...]]:
    """Ports of every module, with the widths that its parameters' defaults give.

    Only tops are looked at: a walk through the instances of a hostile text may never end.
    """
    tops = {top.name: top for top in compilation.getRoot().topInstances}
    if names - tops.keys():
        options = _options()
        compiled = options.compilationOptions
        compiled.topModules = names
        options.compilationOptions = compiled
        tops = {top.name: top for top in compile_tree(tree, options).getRoot().topInstances} | tops
    return {name: tuple(_port(port) for port in top.body.portList) for name, top in tops.items()}


def _port(symbol: Any) -> Port:
    if not hasattr(symbol, "direction"):
        return Port(name=symbol.name, direction="interface", width=None)
    width = None if symbol.type.isError else int(symbol.type.bitWidth) or None
    return Port(name=symbol.name, direction=_DIRECTIONS[symbol.direction.name], width=width)
