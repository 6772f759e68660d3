"""Files become entries, cut where their own structure has a border: headings, paragraphs, pages, modules.

Reads Markdown, text, PDF and RTL; writes nothing. A table or a block of code is never cut unless it alone is too long.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from autovcoder.errors import InputError
from autovcoder.prompt import example_text
from autovcoder.records import Entry, StoreKind, content_id
from hdl_sim.slang import read_source

LONGEST = 2000
"""Characters of a piece of prose. Three of them and two examples fit the context of a small model."""
LONGEST_EXAMPLE = 8000
_FEWEST_WORDS = 3
"""Fewer, such as a page's number, tell nothing."""
_LARGEST_FILE = 50_000_000

_MARKDOWN, _TEXT, _RTL = {".md", ".markdown"}, {".txt", ".text", ".rst"}, {".v", ".sv"}
SUFFIXES = frozenset(_MARKDOWN | _TEXT | _RTL | {".pdf"})

_PARAGRAPHS = re.compile(r"\n[ \t]*\n")
_COMMENT_MARKS = re.compile(r"^[ \t]*(?://+|/\*+|\*+/|\*)[ \t]?|\*+/[ \t]*$", re.MULTILINE)
_RULER = re.compile(r"^[-=*#/~_ ]{4,}$", re.MULTILINE)
_WORD = re.compile(r"[^\W\d_]{2,}")


class Piece(NamedTuple):
    """A part of a file: its title, its text, and where it is."""

    title: str
    text: str
    place: str


def handbook() -> list[Entry]:
    """The entries of the handbook that comes with the package; the topic is the chapter."""
    found = []
    for chapter in sorted((files("rag") / "handbook").iterdir(), key=lambda file: file.name):
        text = chapter.read_text(encoding="utf-8")
        for piece in _markdown(text):
            topic, _, title = piece.title.partition(" > ")
            if title:  # what stands before the first entry introduces the chapter
                found.append(_knowledge(piece._replace(title=title), f"handbook/{chapter.name}", topic))
    return found


def folder_entries(folder: Path) -> tuple[list[Entry], list[tuple[str, str]]]:
    """The entries of all files below a folder (or of one file), and (path, reason) of what is left out.

    Hidden files and folders are passed over, and so are links that lead out of the folder.

    Raises:
        InputError: there is no such folder, or nothing in it can be read.
    """
    folder = Path(folder)
    if not folder.exists():
        raise InputError("no such file or folder", where=folder)
    root = folder if folder.is_dir() else folder.parent
    paths = sorted(_files_of(folder)) if folder.is_dir() else [folder]
    entries: dict[str, Entry] = {}
    left_out: list[tuple[str, str]] = []
    for path in paths:
        name = path.relative_to(root).as_posix()
        try:
            found, reasons = file_entries(path, name)
        except InputError as error:
            left_out.append((name, error.what))
            continue
        if not found and not reasons:
            reasons = ["nothing in it that tells something"]
        left_out += [(name, reason) for reason in reasons]
        entries |= {entry.id: entry for entry in found}
    if not entries:
        known = ", ".join(sorted(SUFFIXES))
        raise InputError("nothing here can be read", where=folder, fix=f"give files of these kinds: {known}")
    return list(entries.values()), left_out


def file_entries(path: Path, name: str) -> tuple[list[Entry], list[str]]:
    """The entries of one file, which they call ``name``, and what of it is left out and why.

    Raises:
        InputError: its kind is not known, it is too large, or it cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"files of the kind {suffix or 'without a suffix'} are not read", where=path)
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InputError(f"larger than {_LARGEST_FILE // 1_000_000} MB", where=path)
        if suffix == ".pdf":
            return [_knowledge(piece, name, "") for piece in _pdf(path)], []
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", where=path) from None
    if suffix in _RTL:
        return _rtl(text, name)
    title = PurePosixPath(name).stem.replace("_", " ")
    pieces = _markdown(text) if suffix in _MARKDOWN else _paragraphs(text, title)
    return [_knowledge(piece._replace(title=piece.title or title), name, "") for piece in pieces], []


def example(problem: str, code: str, *, topic: str = "", source: str = "", place: str = "") -> Entry:
    """A solved problem as an entry."""
    text = example_text(problem, code)
    return Entry(
        id=_id("example", text, source),
        store="example",
        title=_first_words(problem),
        text=text,
        key=problem.strip(),
        topic=topic,
        source=source,
        place=place,
    )


def _knowledge(piece: Piece, source: str, topic: str) -> Entry:
    text = piece.text.strip()
    key = f"{piece.title}\n{text}"
    return Entry(
        id=_id("knowledge", key, source),
        store="knowledge",
        title=piece.title,
        # A model is shown one heading, not the whole path to it.
        text=f"{piece.title.rpartition(' > ')[2]}\n\n{text}",
        key=key,
        topic=topic,
        source=source,
        place=piece.place,
    )


def _id(store: StoreKind, text: str, source: str) -> str:
    return f"{store}-{content_id(store, text, source)[:16]}"


def _files_of(folder: Path) -> Iterator[Path]:
    inside = folder.resolve()
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.is_file() and path.resolve().is_relative_to(inside):
            yield path


def _markdown(text: str) -> list[Piece]:
    """A piece for each heading with what stands below it up to the next; its title has the headings above it too."""
    from markdown_it import MarkdownIt

    lines = text.split("\n")
    path: dict[int, str] = {}
    blocks: list[tuple[int, int]] = []
    pieces: list[Piece] = []

    def close() -> None:
        title = " > ".join(path[level] for level in sorted(path))
        spans = [("\n".join(lines[start:end]), start, end) for start, end in blocks]
        pieces.extend(_packed(spans, title))
        blocks.clear()

    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    for number, token in enumerate(tokens):
        if token.level or token.map is None:
            continue
        if token.type == "heading_open":
            close()
            level = int(token.tag[1])
            path = {above: title for above, title in path.items() if above < level}
            path[level] = tokens[number + 1].content
        else:
            blocks.append((token.map[0], token.map[1]))
    close()
    return pieces


def _paragraphs(text: str, title: str) -> list[Piece]:
    spans: list[tuple[str, int, int]] = []
    line = 0
    for paragraph in _PARAGRAPHS.split(text):
        count = paragraph.count("\n") + 1
        spans.append((paragraph, line, line + count))
        line += count + 1
    return _packed(spans, title)


def _pdf(path: Path) -> list[Piece]:
    """Pieces of each page: where a PDF has paragraphs can only be guessed, where it has pages is known."""
    import pypdf
    from pypdf.errors import DependencyError, PyPdfError

    title = path.stem.replace("_", " ")
    pieces: list[Piece] = []
    try:
        reader = pypdf.PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            raise InputError("locked with a password", where=path)
        for number, page in enumerate(reader.pages, start=1):
            text = page.extract_text().encode(errors="replace").decode()  # it may hold halves of characters
            found = _paragraphs(text, title)
            pieces += [piece._replace(place=f"page {number}") for piece in found]
    except InputError:
        raise
    except DependencyError as error:
        raise InputError(f"needs more than pypdf alone ({error})", where=path) from None
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        # pypdf lets through whatever a broken file makes its code run into.
        raise InputError(f"not a PDF that can be read ({error})", where=path) from None
    return pieces


def _packed(spans: Iterable[tuple[str, int, int]], title: str) -> list[Piece]:
    """Spans (text, first line, the line after the last) as pieces of up to ``LONGEST`` characters, in order."""
    pieces: list[Piece] = []
    held: list[tuple[str, int, int]] = []

    def close() -> None:
        text = "\n\n".join(part for part, _, _ in held).strip("\n")
        if len(_WORD.findall(text)) >= _FEWEST_WORDS:
            pieces.append(Piece(title, text, f"lines {held[0][1] + 1}-{held[-1][2]}"))
        held.clear()

    for text, start, end in _short_enough(spans):
        if not text.strip():
            continue
        if held and sum(len(part) + 2 for part, _, _ in held) + len(text) > LONGEST:
            close()
        held.append((text.strip("\n"), start, end))
    if held:
        close()
    return pieces


def _short_enough(spans: Iterable[tuple[str, int, int]]) -> Iterator[tuple[str, int, int]]:
    """The spans; one that is too long is cut between lines, a line that is too long within."""
    for text, start, end in spans:
        if len(text) <= LONGEST:
            yield text, start, end
            continue
        part = ""
        first = start
        for offset, line in enumerate(text.split("\n")):
            if part and len(part) + len(line) > LONGEST:
                yield part, first, start + offset
                part, first = "", start + offset
            for cut in range(0, max(len(line), 1), LONGEST):
                if cut:
                    yield part, first, start + offset + 1
                    part, first = "", start + offset
                part += line[cut : cut + LONGEST] + "\n"
        yield part, first, end


def _rtl(text: str, name: str) -> tuple[list[Entry], list[str]]:
    """Each module with the comment above it (without one it is known by its header), and which are too long."""
    lines = text.split("\n")
    below = 0
    found: list[Entry] = []
    too_long: list[str] = []
    for module in sorted(read_source(text, elaborate=False).modules, key=lambda module: module.first_line):
        code = "\n".join(lines[module.first_line - 1 : module.last_line])
        told = _comment_above(lines[below : module.first_line - 1])
        below = module.last_line
        if len(code) > LONGEST_EXAMPLE:
            too_long.append(f"the module {module.name} is longer than {LONGEST_EXAMPLE:,} characters")
            continue
        problem = told or f"The module {module.name}:\n{module.header.strip()}"
        found.append(example(problem, code, source=name, place=f"lines {module.first_line}-{module.last_line}"))
    return found, too_long


def _comment_above(lines: list[str]) -> str:
    """The words of the comment that ends right above a module; empty when there is none that tells something."""
    taken: list[str] = []
    inside = False
    for line in reversed(lines):
        stripped = line.strip()
        inside = inside or (stripped.endswith("*/") and not stripped.startswith("/*"))
        if not inside and not stripped.startswith(("//", "/*")) and (stripped or taken):
            if not stripped.startswith("`"):  # a directive such as `timescale may stand between
                break
            continue
        taken.append(line)
        inside = inside and "/*" not in line
    words = _RULER.sub("", _COMMENT_MARKS.sub("", "\n".join(reversed(taken))))
    kept = "\n".join(line.rstrip() for line in words.split("\n") if line.strip())
    return kept if len(_WORD.findall(kept)) >= 4 and len(kept) <= LONGEST else ""


def _first_words(text: str, most: int = 90) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rsplit(" ", 1)[0] + "…"
