"""Which licence a repository or a source file is under, as far as its own words say so.

Reads the texts of licence files and the heads of sources; writes nothing. Identifiers and expressions are SPDX's
(https://spdx.org/licenses/). What is not recognised is None, never a guess.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import PurePosixPath

_HEAD = 4096  # characters of a source in which its tag or notice may stand
_LONGEST = 200_000  # characters; no licence is longer
_TAG_LINE = 1000  # characters; what goes on for longer is no tag
# Words that a text may have beyond those of the known licence, and lack of them: names, titles, numbers of clauses
# (measured on the licence files of 70 repositories of RTL).
_MOST_EXTRA = 15
_MOST_MISSING = 20
_SHORT = 250  # words; a licence file that only points at a licence has no more

_NAME = re.compile(r"(un)?licen[cs]es?([-_. ].*)?|copying([-_. ].*)?", re.IGNORECASE)
_PROGRAMS = re.compile(
    r"\.(c|cc|cfg|cpp|css|go|h|hjson|java|js|json|pl|png|py|rb|sh|svg|s?vh?|tcl|toml|tpl|xml|ya?ml)$"
)
_SHELVES = ("LICENSES", "LICENCES")  # the folder of https://reuse.software

_TAG = re.compile(r"SPDX-License-Identifier:", re.IGNORECASE)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")
_OPERATORS = ("AND", "OR", "WITH")
_GOES_ON = re.compile(r"[ \t]*(?:(?:and|or|with)\b|[,&+])", re.IGNORECASE)
_MARKS = "\ufeff \t\r\f\v/*#;!|-"  # of comments

_COPYRIGHT = re.compile(
    r"(?:copyright|\(c\)|\u00a9)[^\n]{0,80}?(?:\d{4}|\[year\]|\[yyyy\])[^\n]{0,120}|all rights reserved\.?",
    re.IGNORECASE,
)
# One of these beyond the words of a licence may take back what it gives.
_TAKES_BACK = frozenset(
    re.findall(
        r"\w+",
        """
    academic additional additionally agreement ask but cannot charge clause clauses commercial commercially
    commons condition conditions confidential consent contact deny denied educational evil except excluding
    excluded excludes exclusive exclusively fee fees forbidden good however internal internally limited military
    must need needs neither never no non noncommercial nonprofit nor not only paid patent pay permissionof
    personal portions prior private prohibit prohibited prohibits proprietary provided purpose purposes require
    required requires research restricted restriction restrictions royalty secret shall silicon subject unless
    without written
""",
    )
)
# And without one of these it does not give what it is known for.
_GIVES = frozenset(
    re.findall(
        r"\w+",
        """
    charge commercial copies copy distribute distribution fee free granted grants merge modification modify
    permission permitted publish redistribute redistribution reproduce restriction sell source sublicense use
""",
    )
)
# What takes back the licence that a head names; words of their own, as a head also has code and the words of others.
_TAKEN_BACK = r"non-? ?commercial|\bcommercial use|commons[ -]clause|\bnot evil"
_RESTRICTED = re.compile(
    rf"{_TAKEN_BACK}|\bconfidential|trade secret"
    r"|\b(?:is|are|and|as) proprietary|\bproprietary (?:and|information|to|rights?|licen[cs]e|software|source)\b"
    r"|(?:research|academic|educational|evaluation|personal|internal)(?: and \w+| or \w+)? (?:use|purposes?) only"
    r"|\bonly for (?:research|academic|educational|evaluation|personal|internal)"
)

_SOLDERPAD_NAME = r"solderpad hardware licen[cs]e,? ?(?:version|v)?\.? ?(0\.51|0\.5|2\.0|2\.1)(?![\w.]?\d)"
_CERN_NAME = (
    r"cern open hardware licen[cs]e,? (?:version |v)?"
    r"(?:(1\.[12])|2(?:\.0)? ?(?:[-\u2013\u2014] ?)?(permissive|weakly|strongly)(?: reciprocal)?)"
)
_POINTS_ELSEWHERE = re.compile(r"\bnot (?:be )?(?:permitted|allowed|licensed)|\bprohibited|\bno longer|\bonly\b")
# A title stands alone on its line, and these are the words that go on after it.
_SOLDERPAD = re.compile(rf"(?:the )?{_SOLDERPAD_NAME}\.?")
_CERN = re.compile(rf"(?:the )?{_CERN_NAME}\.?")
_AFTER_TITLE = re.compile(
    r"this licen[cs]e (?:\(the \S+\) )?(?:is based closely on|operates as a wraparound)|preamble|$"
)
_SOLDERPAD_NOTICE = re.compile(rf"under (?:the terms of )?(?:the )?(?:terms of the )?{_SOLDERPAD_NAME}")
_CERN_NOTICE = re.compile(rf"under (?:the terms of )?(?:the )?(?:terms of the )?{_CERN_NAME}")
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
        r"permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated "
        r"documentation files \W?the \W{0,3}software\W{0,4} to deal in the software without restriction, including "
        r"without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense,? and/or sell "
        r"copies of the software,? and to permit persons to whom the software is furnished to do so, subject to the "
        r"following conditions: (?:\S{1,2} )?the above copyright notice and this permission notice shall be included"
    ),
    "ISC": re.compile(
        r"permission to use, copy, modify,? and(?:/or)? distribute this software for any purpose with or without fee "
        r"is hereby granted, provided that the above copyright notice"
    ),
}
_VIEWS = """ the views and conclusions contained in the software and documentation are those of the authors and should
not be interpreted as representing official policies, either expressed or implied, of the copyright holders"""
_BSD = re.compile(r"redistribution and use in source and (?:binary forms|synthesized forms|binary)")


def is_license_file(path: str) -> bool:
    """Whether a path is a licence file's by its name: LICENSE, COPYING, UNLICENSE and the like, or below LICENSES."""
    pure = PurePosixPath(path)
    if _PROGRAMS.search(pure.name.lower()):
        return False
    inside = any(part.upper() in _SHELVES for part in pure.parts[:-1])
    return inside or _NAME.fullmatch(pure.name) is not None


def license_tag(source: str) -> str | None:
    """The expression of the ``SPDX-License-Identifier`` in the first 4 KB of a source, its operators in upper case.

    Several different ones all apply, and are joined by AND. None where there is none or one is malformed.
    """
    return _all_known(_tags(source))


def license_of_source(source: str, otherwise: str | None = None) -> str | None:
    """The licence that the head of a source file states: by its tag, else by the known notices and grants in its words.

    ``otherwise`` is what holds for a head that states none. A head with a tag that is malformed, or with words that
    restrict its use, states one that is not recognised.
    """
    # A restriction comes after what it restricts.
    if _RESTRICTED.search(_flat(source[: 2 * _HEAD])):
        return None
    if tags := _tags(source):
        return _all_known(tags)
    head = _flat(source[:_HEAD])
    return _all_of([*_by_notice(head), *_by_grant(head)]) or otherwise


def license_of_text(text: str) -> str | None:
    """The licence of a licence file's text: the whole text, compared word for word with those of choosealicense.com
    (as the package identify brings them), a known title at its start, or a few words with a known notice.

    Tags count too, beside what the text says apart from them.
    """
    if len(text) > _LONGEST:
        return None
    tags: list[str | None] = list(_tags(text))
    rest = "\n".join(line for line in _lines(text) if not _TAG.search(line))
    if tags and not rest.strip():
        return _all_known(tags)
    return _all_known([*tags, _by_words(rest) or _by_title(rest) or _by_pointing(rest)])


def licenses_by_folder(texts: Mapping[str, str]) -> dict[str, str | None]:
    """Folder to the licence of its licence files, from their texts by path; the root is ``""``.

    Where a folder's are several, all are taken to apply: only their owner can say that one may choose. A folder
    LICENSES counts as its parent's, where that has no licence file of its own. None: one of them is not recognised.
    """
    own: dict[str, list[str | None]] = {}
    shelved: dict[str, list[str | None]] = {}
    for path in sorted(texts):
        parts = path.split("/")[:-1]
        shelf = next((number for number, part in enumerate(parts) if part.upper() in _SHELVES), None)
        group = own if shelf is None else shelved
        group.setdefault("/".join(parts[:shelf]), []).append(license_of_text(texts[path]))
    return {folder: _all_known(names) for folder, names in (shelved | own).items()}


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


def _all_known(names: Sequence[str | None]) -> str | None:
    """All of them; None where one is not known, as it may say anything."""
    known = [name for name in names if name is not None]
    return _all_of(known) if len(known) == len(names) else None


def _tags(source: str) -> list[str | None]:
    """The expressions of all tags in the head; None for one that is malformed."""
    found = []
    for match in _TAG.finditer(source[:_HEAD]):
        rest = source[match.end() : match.end() + _TAG_LINE]
        line, _, after = rest.partition("\n")
        inside = re.split(r"\*/|-->", line, maxsplit=1)[0]
        goes_on = len(line) == _TAG_LINE or (inside == line and _GOES_ON.match(after.lstrip(_MARKS)))
        found.append(None if goes_on else _expression(inside.rstrip(" \t\r*#")))
    return found


def _expression(written: str) -> str | None:
    """An SPDX expression as it is, one blank between its words; None where it is not one or says that it is none."""
    words = [word.upper() if word.upper() in _OPERATORS else word for word in re.findall(r"[()]|[^\s()]+", written)]
    depth, wanted = 0, True  # whether a licence must come next
    for word in words:
        fits = wanted
        if word == "(":
            depth += 1
        elif word == ")":
            depth -= 1
            fits = not wanted and depth >= 0
        elif word in _OPERATORS:
            fits, wanted = not wanted, True
        else:
            fits, wanted = wanted and _ID.fullmatch(word) is not None and word not in ("NONE", "NOASSERTION"), False
        if not fits:
            return None
    return None if wanted or depth else " ".join(words).replace("( ", "(").replace(" )", ")")


def _lines(text: str) -> list[str]:
    # Not by one regular expression: on a long line of dashes that takes the square of its length.
    return [line.lstrip(_MARKS).rstrip(" \t\r/*#|-") for line in text.split("\n")]


def _flat(text: str) -> str:
    """The words without the marks of comments, one blank between them, in lower case."""
    return " ".join(" ".join(_lines(text)).lower().split())


def _without_copyright(text: str) -> str:
    """A text without the lines that say whose it is, in so far as they say no more."""
    return "\n".join(
        line
        for line in _lines(text)
        if not (_COPYRIGHT.fullmatch(line) and not _TAKES_BACK & set(_count(line.lower())))
    )


def _solderpad(version: str) -> str:
    # From version 2 on it is an exception to Apache's.
    return f"Apache-2.0 WITH SHL-{version}" if version.startswith("2") else f"SHL-{version}"


def _cern(old: str | None, kind: str | None) -> str:
    return f"CERN-OHL-{old}" if old else f"CERN-OHL-{(kind or '')[0].upper()}-2.0"


def _by_title(text: str) -> str | None:
    """The long licences that identify does not bring, by the title and the first words of their text."""
    lines = [" ".join(line.lower().split()) for line in _without_copyright(text).split("\n")]
    lines = [line for line in lines if line]
    if not lines or not _AFTER_TITLE.match(" ".join(lines[1:9])) or re.search(_TAKEN_BACK, " ".join(lines)):
        return None
    if match := _SOLDERPAD.fullmatch(lines[0]):
        return _solderpad(match.group(1))
    match = _CERN.fullmatch(lines[0])
    return _cern(*match.groups()) if match else None


def _by_pointing(text: str) -> str | None:
    """The notices of a licence file that has little more than them."""
    flat = _flat(_without_copyright(text))
    if len(flat.split()) > _SHORT or _RESTRICTED.search(flat) or _POINTS_ELSEWHERE.search(flat):
        return None
    return _all_of(_by_notice(flat))


def _by_notice(flat: str) -> list[str]:
    """The licences that notices name, those for what is under another licence among them."""
    found = [_solderpad(match.group(1)) for match in _SOLDERPAD_NOTICE.finditer(flat)]
    found += [_cern(*match.groups()) for match in _CERN_NOTICE.finditer(flat)]
    for match in _GNU.finditer(flat):
        kind, version, later = match.groups()
        version = version if "." in version else f"{version}.0"
        found.append(f"{_GNU_NAMES[(kind or '').strip()]}-{version}-{'or-later' if later else 'only'}")
    return found + [name for name, notice in _OTHER_NOTICES.items() if notice.search(flat)]


def _by_grant(flat: str) -> list[str]:
    """The short licences that stand in a source as a whole; in BSD's the clauses make the difference."""
    found = [name for name, grant in _GRANTS.items() if grant.search(flat)]
    if _BSD.search(flat) and "in binary form must reproduce" in flat:
        if "all advertising materials" in flat:
            found.append("BSD-4-Clause")
        else:
            found.append("BSD-3-Clause" if "endorse or promote" in flat else "BSD-2-Clause")
    return found


def _by_words(text: str) -> str | None:
    """The licence that has the same words but for a few: none that takes back, none less of those that give."""
    words = _count(_flat(_without_copyright(text)))
    best, fewest = None, _MOST_EXTRA + _MOST_MISSING + 1
    for name, known in _known():
        extra, missing = words - known, known - words
        if extra.total() > _MOST_EXTRA or missing.total() > _MOST_MISSING:
            continue
        if extra.total() + missing.total() < fewest and not _TAKES_BACK & set(extra) and not _GIVES & set(missing):
            best, fewest = name, extra.total() + missing.total()
    return best


@cache
def _known() -> list[tuple[str, Counter[str]]]:
    """Name and words of licences; also of those without what follows on their end, which many leave out."""
    from identify.vendor.licenses import LICENSES

    end = "end of terms and conditions"
    texts = [(name, _flat(_without_copyright(text))) for name, text in LICENSES]
    views = next(text for name, text in texts if name == "BSD-2-Clause") + _VIEWS
    texts += [("BSD-2-Clause-Views", views), *((n, t[: t.index(end) + len(end)]) for n, t in texts if end in t)]
    return [(name, _count(text)) for name, text in texts]


def _count(flat: str) -> Counter[str]:
    # Every alphabet's words: a restriction need not be in English.
    return Counter(re.findall(r"\w+", re.sub(r"\bpermission (?:of|from)\b", "permissionof", flat)))
