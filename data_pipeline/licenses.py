"""Which licence a repository or a source file is under, as far as its own words say so.

Reads the texts of licence files and the heads of sources; writes nothing. Identifiers and expressions are SPDX's
(https://spdx.org/licenses/). What is not recognised is None, never a guess.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import PurePosixPath

_HEAD = 4096  # characters of a source in which its tag or notice may stand
_LONGEST = 200_000  # characters; no licence is longer
# Of the words of two texts, taken together, so many must be the same ones. Names that are filled in cost up to 0.05; a
# clause more or less, as between BSD's, at least 0.08 (measured on the licence files of 38 repositories of RTL).
_SAME_WORDS = 0.93

_NAME = re.compile(r"(un)?licen[cs]es?([-_. ].*)?|copying([-_. ].*)?", re.IGNORECASE)
_PROGRAMS = re.compile(
    r"\.(c|cc|cfg|cpp|css|go|h|hjson|java|js|json|pl|png|py|rb|sh|svg|s?vh?|tcl|toml|tpl|xml|ya?ml)$"
)
_SHELVES = ("LICENSES", "LICENCES")  # the folder of https://reuse.software

_WORD = r"\(*[A-Za-z0-9][A-Za-z0-9.+-]*\)*"
_TAG = re.compile(rf"SPDX-License-Identifier:[ \t]*({_WORD}(?:[ \t]+(?:AND|OR|WITH)[ \t]+{_WORD})*)")

_SOLDERPAD = re.compile(r"solderpad hardware licen[cs]e,? ?(?:version|v)? ?(0\.51|0\.5|2\.0|2\.1)\b")
_CERN = re.compile(
    r"cern open hardware licen[cs]e,? (?:version |v)?"
    r"(?:(1\.[12])|2(?:\.0)? ?(?:[-\u2013\u2014] ?)?(permissive|weakly|strongly))"
)
_GNU = re.compile(
    r"gnu (lesser |library |affero )?general public licen[cs]e(?: \(\w+\))?,? as published by the free software "
    r"foundation[,;:]? (?:either )?version (\d(?:\.\d)?)(?: of the licen[cs]e)?,?( or \(at your option\) any later)?"
)
_GNU_NAMES = {"": "GPL", "lesser": "LGPL", "library": "LGPL", "affero": "AGPL"}
_OTHER_NOTICES = {
    "Apache-2.0": re.compile(r"licensed under the apache licen[cs]e,? version 2\.0"),
    "MPL-2.0": re.compile(r"subject to the terms of the mozilla public licen[cs]e, v\. 2\.0"),
}
_GRANTS = {
    "MIT": re.compile(
        r"permission is hereby granted, free of charge, to any person obtaining a copy of this software.*"
        r"the above copyright notice and this permission notice shall be included"
    ),
    "ISC": re.compile(
        r"permission to use, copy, modify,? and(?:/or)? distribute this software for any purpose with or without fee "
        r"is hereby granted, provided that the above copyright notice"
    ),
}
_BSD = re.compile(r"redistribution and use in source and (?:binary forms|synthesized forms|binary)")


def is_license_file(path: str) -> bool:
    """Whether a path is a licence file's by its name: LICENSE, COPYING, UNLICENSE and the like, or below LICENSES."""
    pure = PurePosixPath(path)
    if _PROGRAMS.search(pure.name.lower()):
        return False
    inside = any(part.upper() in _SHELVES for part in pure.parts[:-1])
    return inside or _NAME.fullmatch(pure.name) is not None


def license_tag(source: str) -> str | None:
    """The expression of the ``SPDX-License-Identifier`` in the first 4 KB of a source, as written.

    Several different ones all apply, and are joined by AND. None where there is none or it is malformed.
    """
    found: list[str] = []
    for match in _TAG.finditer(source[:_HEAD]):
        written = " ".join(match.group(1).split())
        if written.count("(") == written.count(")") and written not in ("NONE", "NOASSERTION"):
            found.append(written)
    return _all_of(found)


def license_of_source(source: str) -> str | None:
    """The licence that the head of a source file states: by its tag, else by a known notice or grant in its words."""
    head = _flat(source[:_HEAD])
    return license_tag(source) or _by_notice(head) or _by_grant(head)


def license_of_text(text: str) -> str | None:
    """The licence of a licence file's text: a tag counts first, then a known notice or title at its head, then the
    whole text, compared word for word with those of choosealicense.com (as the package identify brings them).
    """
    text = text[:_LONGEST]
    flat = _flat(text)
    titled = _by_title(flat[:600])
    return license_tag(text) or titled or _by_words(flat) or _by_notice(flat[:_HEAD])


def licenses_by_folder(texts: Mapping[str, str]) -> dict[str, str | None]:
    """Folder to the licence of its licence files, from their texts by path; the root is ``""``.

    Where a folder's are several, all are taken to apply: only their owner can say that one may choose. A folder
    LICENSES counts as its parent's, where that has no licence file of its own. None: none of them is recognised.
    """
    own: dict[str, list[str | None]] = {}
    shelved: dict[str, list[str | None]] = {}
    for path in sorted(texts):
        parts = path.split("/")[:-1]
        shelf = next((number for number, part in enumerate(parts) if part.upper() in _SHELVES), None)
        group = own if shelf is None else shelved
        group.setdefault("/".join(parts[:shelf]), []).append(license_of_text(texts[path]))
    return {folder: _all_of([one for one in names if one]) for folder, names in (shelved | own).items()}


def nearest_license(path: str, by_folder: Mapping[str, str | None]) -> str | None:
    """The licence of the closest folder around a file that has one, as `licenses_by_folder` gives them.

    A closer one that is not recognised hides what lies further up: code of others, brought along with their terms.
    """
    for folder in PurePosixPath(path).parents:
        name = "" if str(folder) == "." else str(folder)
        if name in by_folder:
            return by_folder[name]
    return None


def _all_of(names: list[str]) -> str | None:
    unique = sorted(set(names))
    if len(unique) < 2:
        return unique[0] if unique else None
    return " AND ".join(f"({name})" if " OR " in name else name for name in unique)


def _flat(text: str) -> str:
    """The words without the marks of comments, one blank between them, in lower case."""
    return " ".join(re.sub(r"(?m)^[\s/*#;!|-]+|[\s/*#|-]+$", " ", text).lower().split())


def _by_title(flat: str) -> str | None:
    if match := _SOLDERPAD.search(flat):
        version = match.group(1)
        # From version 2 on it is an exception to Apache's.
        return f"Apache-2.0 WITH SHL-{version}" if version.startswith("2") else f"SHL-{version}"
    if match := _CERN.search(flat):
        old, kind = match.groups()
        return f"CERN-OHL-{old}" if old else f"CERN-OHL-{kind[0].upper()}-2.0"
    return None


def _by_notice(flat: str) -> str | None:
    if titled := _by_title(flat):
        return titled
    if match := _GNU.search(flat):
        kind, version, later = match.groups()
        version = version if "." in version else f"{version}.0"
        return f"{_GNU_NAMES[(kind or '').strip()]}-{version}-{'or-later' if later else 'only'}"
    return next((name for name, notice in _OTHER_NOTICES.items() if notice.search(flat)), None)


def _by_grant(flat: str) -> str | None:
    """The short licences that stand in a source as a whole; in BSD's the clauses make the difference."""
    for name, grant in _GRANTS.items():
        if grant.search(flat):
            return name
    if not (_BSD.search(flat) and "in binary form must reproduce" in flat):
        return None
    if "all advertising materials" in flat:
        return "BSD-4-Clause"
    return "BSD-3-Clause" if re.search(r"endorse or promote", flat) else "BSD-2-Clause"


def _by_words(flat: str) -> str | None:
    words = _count(flat)
    total = words.total()
    if not total:
        return None
    shares = {name: 2 * (words & known).total() / (total + known.total()) for name, known in _known().items()}
    best = max(shares, key=lambda name: shares[name])
    if shares["BSD-2-Clause"] > 0.88 and "the views and conclusions contained" in flat:
        return "BSD-2-Clause-Views"
    return best if shares[best] >= _SAME_WORDS else None


@cache
def _known() -> dict[str, Counter[str]]:
    from identify.vendor.licenses import LICENSES

    return {name: _count(_flat(text)) for name, text in LICENSES}


def _count(flat: str) -> Counter[str]:
    return Counter(re.findall(r"[a-z0-9]+", flat))
