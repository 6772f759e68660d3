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


@given(
    st.lists(st.text(alphabet="abc de\n`#-|*>[]()_1.", max_size=400), max_size=12).map("\n\n".join),
    st.booleans(),
)
def test_no_word_is_lost_nor_put_in_another_order(text: str, is_markdown: bool) -> None:
    pieces: list[Piece] = markdown(text) if is_markdown else paragraphs(text, "title")
    assert all(len(piece.text) <= LONGEST + 2 for piece in pieces)
    told = [word for piece in pieces for word in re.findall(r"[a-z]+", piece.text)]
    rest = iter(re.findall(r"[a-z]+", text))
    assert all(word in rest for word in told)  # in the text's order
    if not is_markdown and len(re.findall(r"[^\W\d_]{2,}", text)) >= 3 and len(text) < LONGEST:
        assert told == re.findall(r"[a-z]+", text)


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
    toggle, x, plain = file_entries(tmp_path / "ip.v", "ip.v")
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
