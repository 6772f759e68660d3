"""Which licence a text is under: known ones, and what looks like one and is not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from autovcoder.files import read_records
from autovcoder.records import Repository
from data_pipeline.archives import read_licenses
from data_pipeline.collect import CollectSettings, collect
from data_pipeline.extract import _read_file, _Surroundings
from data_pipeline.licenses import license_of_source, license_of_text, license_tag, licenses_by_folder, nearest_license
from data_pipeline.source_text import Macros

from .hosts import MODULE, commit_files

MIT = """MIT License

Copyright (c) 2020 Somebody

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


@pytest.mark.parametrize(
    ("source", "tag"),
    [
        ("// SPDX-License-Identifier: Apache-2.0\nmodule m;", "Apache-2.0"),
        ("/* SPDX-License-Identifier: MIT OR Apache-2.0 */", "MIT OR Apache-2.0"),
        ("// SPDX-License-Identifier:  Apache-2.0  WITH SHL-2.0\r\n", "Apache-2.0 WITH SHL-2.0"),
        ("# SPDX-License-Identifier: (GPL-2.0-or-later OR MIT) AND ISC -->", "(GPL-2.0-or-later OR MIT) AND ISC"),
        ("// SPDX-License-Identifier: MIT\n// SPDX-License-Identifier: MIT OR ISC\n", "MIT AND (MIT OR ISC)"),
        ("// SPDX-License-Identifier: (MIT\n", None),
        ("// SPDX-License-Identifier: NOASSERTION\n", None),
        ("// SPDX-License-Identifier:\n// MIT\n", None),
        ("module m;" + " " * 5000 + "// SPDX-License-Identifier: MIT\n", None),
    ],
)
def test_a_tag_is_read_as_written(source: str, tag: str | None) -> None:
    assert license_tag(source) == tag


def own_licences() -> dict[str, str]:
    from identify.vendor.licenses import LICENSES

    return dict(LICENSES)


@pytest.mark.parametrize("name", sorted(own_licences()))
def test_every_licence_of_choosealicense_is_told_from_the_others(name: str) -> None:
    text = own_licences()[name].replace("[fullname]", "Jane Doe").replace("[year]", "1999")
    assert license_of_text(text) == name
    assert license_of_text("\n".join(f"   {line}  " for line in text.upper().splitlines())) == name


MIT_0 = MIT.replace(MIT[MIT.index("The above copyright") : MIT.index("THE SOFTWARE IS")], "")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (MIT, "MIT"),
        (MIT_0, None),
        ("", None),
        ("all rights reserved, ask first", None),
        ("SOLDERPAD HARDWARE LICENSE version 0.51\n\nThis license is based closely on...", "SHL-0.51"),
        ("Solderpad Hardware License, Version 0.5", "SHL-0.5"),
        ("Solderpad Hardware Licence v2.1\n\nThis license operates as a wraparound", "Apache-2.0 WITH SHL-2.1"),
        ("Solderpad Hardware Licence Version 2.0", "Apache-2.0 WITH SHL-2.0"),
        ("CERN Open Hardware Licence Version 2 - Strongly Reciprocal\n\nPreamble", "CERN-OHL-S-2.0"),
        ("The CERN Open Hardware Licence Version 2 \u2013 Weakly Reciprocal", "CERN-OHL-W-2.0"),
        ("CERN Open Hardware Licence Version 2 - Permissive", "CERN-OHL-P-2.0"),
        ("CERN Open Hardware Licence v1.2", "CERN-OHL-1.2"),
        ('Licensed under the Apache License, Version 2.0 (the "License"); you may not', "Apache-2.0"),
        ("SPDX-License-Identifier: CERN-OHL-P-2.0", "CERN-OHL-P-2.0"),
    ],
)
def test_a_licence_file_is_recognised_or_not_guessed(text: str, name: str | None) -> None:
    assert license_of_text(text) == name


GPL = """// This program is free software: you can redistribute it and/or modify
// it under the terms of the GNU {kind}General Public License as published by
// the Free Software Foundation, either version {version} of the License, or
// (at your option) any later version.
"""
BSD = """ * Redistribution and use in source and binary forms, with or without modification, are permitted when:
 * 1. Redistributions of source code must retain the above copyright notice
 * 2. Redistributions in binary form must
 *    reproduce the above copyright notice
"""


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (GPL.format(kind="", version=3), "GPL-3.0-or-later"),
        (GPL.format(kind="Lesser ", version="2.1"), "LGPL-2.1-or-later"),
        (GPL.format(kind="", version=2).partition(", or")[0] + ".", "GPL-2.0-only"),
        (BSD, "BSD-2-Clause"),
        (BSD + " * 3. Neither the name of X may be used to endorse or\n * promote products", "BSD-3-Clause"),
        ("/*\n" + "".join(f" * {line}\n" for line in MIT.splitlines()) + " */\nmodule m;", "MIT"),
        ("// Licensed under the Solderpad Hardware License v 2.1\n", "Apache-2.0 WITH SHL-2.1"),
        ("// Permission to use, copy, modify, and/or distribute this software for any\n// purpose with or without fee"
         "\n// is hereby granted, provided that the above copyright notice\n", "ISC"),
        ("// SPDX-License-Identifier: ISC\n" + BSD, "ISC"),
        ("// Copyright 2020 Somebody, all rights reserved\nmodule m;", None),
    ],
)  # fmt: skip
def test_the_head_of_a_source_states_its_licence(source: str, name: str | None) -> None:
    assert license_of_source(source) == name


def test_the_closest_licence_file_speaks_for_a_file(tmp_path: Path) -> None:
    files = {
        "LICENSE": MIT,
        "vendor/COPYING": "ask first",
        "vendor/x/LICENSES/ISC.txt": own_licences()["ISC"],
        "both/LICENSE-MIT": MIT,
        "both/LICENSE-APACHE": own_licences()["Apache-2.0"],
        "a.v": MODULE.decode(),
    }
    commit_files(tmp_path / "core", {name: text.encode() for name, text in files.items()})
    collect(tmp_path / "out", CollectSettings(sources=(str(tmp_path / "core"),)))
    by_folder = read_licenses(tmp_path / "out", next(read_records(tmp_path / "out" / "repos.jsonl", Repository)))
    places = {
        "a.v": "MIT",
        "rtl/b.v": "MIT",
        "vendor/c.v": None,
        "vendor/x/rtl/d.v": "ISC",
        "both/e.v": "Apache-2.0 AND MIT",
    }
    assert {path: nearest_license(path, by_folder) for path in places} == places


@pytest.mark.parametrize(
    "tag",
    ["MIT, GPL-2.0-only", "MIT/GPL-3.0", "MIT AND\n// GPL-2.0-only", "MIT\n// AND GPL-2.0-only",
     "MIT plus non-commercial", "MIT) AND (ISC", "MIT AND AND", "MIT or"],
)  # fmt: skip
def test_a_tag_that_goes_on_is_none_and_nothing_less_counts(tag: str) -> None:
    source = f"// SPDX-License-Identifier: {tag}\n// Licensed under the Apache License, Version 2.0\nmodule m;"
    assert license_tag(source) is None
    assert license_of_source(source, otherwise="MIT") is None
    assert license_of_text(source) is None


def test_operators_are_written_out_in_upper_case() -> None:
    assert license_tag("// SPDX-License-Identifier: MIT and GPL-2.0-only **/") == "MIT AND GPL-2.0-only"
    assert license_tag("// SPDX-License-Identifier: Apache-2.0 with Commons-Clause") == "Apache-2.0 WITH Commons-Clause"


@pytest.mark.parametrize(
    "text",
    [
        MIT + "The Software shall be used for Good, not Evil.\n",
        MIT.replace("and/or sell", "") + "Commercial use and use in silicon are not permitted.\n",
        MIT.replace("and/or sell", ""),
        MIT.replace("2020 Somebody", "2020 Somebody. Non-commercial use only."),
        MIT + "\u041d\u0435 \u0434\u043b\u044f " * 9,
        '"Commons Clause" License Condition v1.0\nthe License does not grant to you the right to Sell the Software.\n'
        + own_licences()["Apache-2.0"],
        "Solderpad hardware license 0.51 covers doc/ only. RTL is proprietary",
        "Ours.\nSolderpad Hardware License 0.51\nThis license is based closely on",
        "SPDX-License-Identifier: MIT\nBut ask before you use it in a chip.",
        MIT + " " * 200_000,
    ],
)
def test_a_text_that_takes_back_is_not_recognised(text: str) -> None:
    assert license_of_text(text) is None
    assert license_of_source(MIT + "The Software shall be used for Good, not Evil.", otherwise="MIT") is None


def test_several_notices_all_apply() -> None:
    source = "// Licensed under the Apache License, Version 2.0\n" + GPL.format(kind="", version=3)
    assert license_of_source(source) == "Apache-2.0 AND GPL-3.0-or-later"


def test_an_unknown_licence_file_hides_its_neighbours() -> None:
    assert licenses_by_folder({"LICENSE": "for non-commercial use", "LICENSE.fonts": MIT}) == {"": None}
    assert licenses_by_folder({"LICENSE": MIT, "LICENSES/Own.txt": "ask first"}) == {"": "MIT"}


def test_a_closer_unknown_licence_hides_that_of_the_repository(tmp_path: Path) -> None:
    files = {"LICENSE": MIT, "vendor/COPYING": "Proprietary.", "a.v": MODULE.decode(), "vendor/b.v": MODULE.decode()}
    commit_files(tmp_path / "core", {name: text.encode() for name, text in files.items()})
    collect(tmp_path / "out", CollectSettings(sources=(str(tmp_path / "core"),)))
    repository = next(iter(read_records(tmp_path / "out" / "repos.jsonl", Repository)))
    around = _Surroundings(repository, Macros([]), read_licenses(tmp_path / "out", repository))
    found = {path: next(iter(_read_file(path, MODULE, around))).metadata["license"] for path in ("a.v", "vendor/b.v")}
    assert found["a.v"] == "MIT"
    assert found["vendor/b.v"] is None


@pytest.mark.parametrize("unit", ["-", " ", "/* ", "(", "copyright ", "under the ", "permission is hereby granted, "])
def test_long_lines_take_no_time(unit: str) -> None:
    started = time.monotonic()
    license_of_text(unit * (200_000 // len(unit)) + "x")
    license_of_source(unit * (4_000_000 // len(unit)))
    license_of_source("// SPDX-License-Identifier: " + unit * 100_000)
    assert time.monotonic() - started < 3
