"""The page: a form, and the answer with its evidence, drawn by the scripts of the report of a run.

Reads templates, styles and scripts of this package and of `eval`; returns their text. The page names no other address,
and its content security policy allows none.
"""

from __future__ import annotations

from pathlib import Path

from eval.page import ASSETS as REPORT
from eval.page import clean

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_OURS = Path(__file__).parent / "assets"
# In the order in which the page loads them.
_STYLES = (REPORT / "page.css", _OURS / "serve.css")
_SCRIPTS = (REPORT / "text.js", REPORT / "waveform.js", REPORT / "answer.js", _OURS / "serve.js")


def page_html(*, model: str, answers: int, most: int, retrieves: bool) -> str:
    """The page.

    Args:
        answers: how many are drawn unless a number is given; ``most`` at most.
        retrieves: context is looked for.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(_OURS), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("serve.html").render(
        model=clean(model),
        answers=answers,
        most=most,
        retrieves=retrieves,
        styles=[path.name for path in _STYLES],
        scripts=[path.name for path in _SCRIPTS],
    )


def assets() -> dict[str, tuple[str, str]]:
    """The media type and the text of every file that the page loads, by name."""
    types = {".css": "text/css", ".js": "text/javascript"}
    return {path.name: (types[path.suffix], path.read_text(encoding="utf-8")) for path in (*_STYLES, *_SCRIPTS)}
