"""Chunking: entries end where the text's own structure does, nothing is lost, and what cannot be read is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autovcoder.errors import InputError
from rag.chunks import LONGEST, Piece, file_entries, folder_entries, handbook
from rag.chunks import _markdown as markdown
from rag.chunks import _paragraphs as paragraphs

GUIDE = """# House style

Every module has a header comment.

## Resets

Resets are asynchronous and active low.

```verilog
always @(posedge clk or negedge rst_n)

  if (!rst_n) q <= 0;
  # not a heading
```

| name | meaning |
|------|---------|
| rst_n | the reset |

### In pads

None of the pads has a reset.

## Clocks

One clock a module.
"""
RTL = """`timescale 1ns/1ps
// -----------------------------------
// A toggle flip-flop that changes at
// every clock edge while en is 1.
// -----------------------------------
`default_nettype none
module toggle (input clk, input en, output reg q);
  always @(posedge clk) if (en) q <= ~q;
endmodule

/* Two inputs
 * give their exclusive or. */

module x (input a, input b, output y);
  assign y = a ^ b;
endmodule
module plain (input a, output y);
  assign y = a;
endmodule
"""


def pdf(*pages: str) -> bytes:
    """A PDF with these lines of text, one a page."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects += [f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode()]
    objects += [b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    for number, text in enumerate(pages):
        fonts = "/Resources << /Font << /F1 3 0 R >> >>"
        page = f"/Parent 2 0 R /MediaBox [0 0 600 800] {fonts} /Contents {5 + 2 * number} 0 R"
        stream = f"BT /F1 12 Tf 50 700 Td ({text}) Tj ET".encode()
        objects += [f"<< /Type /Page {page} >>".encode()]
        objects += [b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream)]
    out, places = b"%PDF-1.4\n", []
    for number, one in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    tail = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(out))
    return out + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + tail


def test_a_heading_begins_an_entry_and_a_code_block_is_not_cut() -> None:
    found = markdown(GUIDE)
    assert [piece.title for piece in found] == [
        "House style",
        "House style > Resets",
        "House style > Resets > In pads",
        "House style > Clocks",
    ]
    assert "# not a heading\n```" in found[1].text
    assert "| rst_n | the reset |" in found[1].text
    assert found[3].text == "One clock a module."
    assert found[1].place == "lines 7-18"


PROSE = st.lists(st.text("abcdefgh", min_size=2, max_size=9), min_size=3, max_size=30).map(" ".join)
CODE = PROSE.map(lambda text: "```verilog\n" + text.replace(" ", "\n\n# ") + "\n```")
TABLE = PROSE.map(lambda text: "| " + text.replace(" ", " | ") + " |\n|" + "---|" * len(text.split()))
SECTIONS = st.lists(
    st.tuples(st.integers(1, 4), PROSE, st.lists(PROSE | CODE | TABLE, min_size=1, max_size=6)), min_size=1, max_size=6
)


@given(SECTIONS)
def test_every_word_is_told_in_order_under_the_headings_it_stands_below(
    sections: list[tuple[int, str, list[str]]],
) -> None:
    text = "\n\n".join("\n\n".join(["#" * level + " " + title, *blocks]) for level, title, blocks in sections)
    pieces = markdown(text)
    assert all(len(piece.text) <= LONGEST + 2 for piece in pieces)
    wanted: list[tuple[str, str]] = []
    path: dict[int, str] = {}
    for level, title, blocks in sections:
        path = {above: name for above, name in path.items() if above < level} | {level: title}
        wanted += [(" > ".join(path.values()), word) for block in blocks for word in words(block)]
    assert [(piece.title, word) for piece in pieces for word in words(piece.text)] == wanted


@given(st.lists(PROSE, min_size=1, max_size=80).map("\n\n".join))
def test_every_paragraph_is_told_in_order(text: str) -> None:
    pieces = paragraphs(text, "title")
    assert all(len(piece.text) <= LONGEST + 2 for piece in pieces)
    assert [word for piece in pieces for word in words(piece.text)] == words(text)
    lines = text.split("\n")
    for piece in pieces:
        first, last = (int(number) for number in piece.place.removeprefix("lines ").split("-"))
        assert piece.text == "\n".join(lines[first - 1 : last])


@given(st.text(alphabet="abc de\n`#-|*>[]()_1.", max_size=2000), st.booleans())
def test_whatever_a_text_is_nothing_is_told_twice_or_in_another_order(text: str, is_markdown: bool) -> None:
    pieces: list[Piece] = markdown(text) if is_markdown else paragraphs(text, "title")
    assert all(len(piece.text) <= LONGEST + 2 for piece in pieces)
    rest = iter(words(text))
    assert all(word in rest for piece in pieces for word in words(piece.text))


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text)


def test_long_text_is_cut_between_paragraphs_and_a_long_line_within() -> None:
    text = "\n\n".join(f"Paragraph {number} has some words in it. " * 12 for number in range(20))
    pieces = paragraphs(text, "title")
    assert len(pieces) > 4
    assert all(piece.text.startswith("Paragraph") and len(piece.text) <= LONGEST for piece in pieces)
    assert "".join("".join(piece.text for piece in pieces).split()) == "".join(text.split())
    line = "word " * 2000
    cut = paragraphs(line, "title")
    assert len(cut) == 5
    assert "".join(piece.text for piece in cut).split() == line.split()


def test_a_module_is_an_example_with_the_comment_above_it(tmp_path: Path) -> None:
    (tmp_path / "ip.v").write_text(RTL)
    (toggle, x, plain), left_out = file_entries(tmp_path / "ip.v", "ip.v")
    assert left_out == []
    assert {toggle.store, x.store, plain.store} == {"example"}
    assert toggle.key == "A toggle flip-flop that changes at\nevery clock edge while en is 1."
    assert toggle.text.endswith("if (en) q <= ~q;\nendmodule")
    assert toggle.place == "lines 7-9"
    assert "exclusive or" in x.key
    assert plain.key.startswith("The module plain:")


def test_a_folder_gives_what_can_be_read_and_names_the_rest(tmp_path: Path) -> None:
    folder = tmp_path / "team"
    (folder / "docs").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / "docs" / "style.md").write_text(GUIDE)
    (folder / "ip.sv").write_text(RTL)
    (folder / "notes.pdf").write_bytes(pdf("All handshakes are valid and ready.", "Never gate a clock by hand."))
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4\nnothing")
    (folder / "logo.png").write_bytes(b"\x89PNG")
    (folder / "empty.txt").write_text("\n")
    (folder / ".git" / "secret.md").write_text("# Secret\n\nNot to be read by anyone.\n")
    (tmp_path / "outside.md").write_text("# Outside\n\nThis is not in the folder.\n")
    (folder / "link.md").symlink_to(tmp_path / "outside.md")
    entries, left_out = folder_entries(folder)
    assert {entry.source for entry in entries} == {"docs/style.md", "ip.sv", "notes.pdf"}
    assert [(e.text.split("\n\n")[1], e.place) for e in entries if e.source == "notes.pdf"] == [
        ("All handshakes are valid and ready.", "page 1"),
        ("Never gate a clock by hand.", "page 2"),
    ]
    assert len({entry.id for entry in entries}) == len(entries)
    assert [name for name, _ in left_out] == ["broken.pdf", "empty.txt", "logo.png"]
    assert re.match("not a PDF", left_out[0][1])


def test_a_module_that_is_too_long_is_named(tmp_path: Path) -> None:
    (tmp_path / "ip.v").write_text(RTL + "module huge (input a);\n" + "  wire w;\n" * 1000 + "endmodule\n")
    entries, left_out = folder_entries(tmp_path)
    assert len(entries) == 3
    assert left_out == [("ip.v", "the module huge is longer than 8,000 characters")]


def test_sections_of_the_same_text_are_told_apart_by_their_titles(tmp_path: Path) -> None:
    told = "It is asynchronous and active low.\n"
    (tmp_path / "ip.md").write_text(f"# Reset of the UART\n\n{told}\n# Reset of the timer\n\n{told}")
    entries, _ = folder_entries(tmp_path)
    assert [one.title for one in entries] == ["Reset of the UART", "Reset of the timer"]


def test_a_mark_of_byte_order_and_line_ends_of_windows_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "style.md").write_bytes(b"\xef\xbb\xbf" + GUIDE.replace("\n", "\r\n").encode())
    entries, _ = file_entries(tmp_path / "style.md", "style.md")
    assert [one.title for one in entries][:2] == ["House style", "House style > Resets"]
    assert not any("\r" in one.text or "\ufeff" in one.text for one in entries)


def test_a_pdf_that_cannot_be_deciphered_is_left_out(tmp_path: Path) -> None:
    crypt = (
        b"/Encrypt << /Filter /Standard /V 5 /R 6 /Length 256 /P -4 /StmF /StdCF /StrF /StdCF "
        b"/CF << /StdCF << /CFM /AESV3 /AuthEvent /DocOpen /Length 32 >> >> "
        b"/U <%s> /UE <%s> /O <%s> /OE <%s> /Perms <%s> >> /ID [<00> <00>]"
        % (b"00" * 48, b"00" * 32, b"00" * 48, b"00" * 32, b"00" * 16)
    )
    (tmp_path / "locked.pdf").write_bytes(pdf("Nobody can read this text.").replace(b"/Root", crypt + b" /Root"))
    (tmp_path / "notes.pdf").write_bytes(pdf("Never gate a clock by hand."))
    entries, left_out = folder_entries(tmp_path)
    assert [one.source for one in entries] == ["notes.pdf"]
    assert [name for name, _ in left_out] == ["locked.pdf"]
    assert re.match("needs more than pypdf alone|locked with a password", left_out[0][1])


def test_nothing_to_read_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        folder_entries(tmp_path / "none")
    (tmp_path / "logo.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=r"nothing here can be read.*\.md"):
        folder_entries(tmp_path)


def test_the_handbook_is_whole() -> None:
    entries = handbook()
    assert len(entries) >= 150
    assert len({entry.id for entry in entries}) == len(entries)
    assert all(len(entry.text) <= LONGEST + 200 and entry.topic for entry in entries)
    assert not [entry.title for entry in entries if entry.text.count("```") % 2]
