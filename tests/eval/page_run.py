"""A small real run to look at: answers that pass, differ, do not compile, and try to be read as HTML."""

from __future__ import annotations

from pathlib import Path

from autovcoder.records import Problem, Sample
from eval.run import score
from hdl_sim.icarus import Icarus

from .suite_of_two import A_AND_B, HEADER, NOT_A, design, sample

MARKUP = "<script>document.title = 'owned'</script><img src=x onerror=alert(1)>"
# One more problem whose id, category and words are all markup, and whose id needs escaping in an address.
HOSTILE = A_AND_B.model_copy(
    update={"id": f"a/b #1 {MARKUP}", "category": f"x{MARKUP}", "spec": f"Drive y. {MARKUP} </script> <!-- ]]>"}
)
PROBLEMS = (NOT_A, A_AND_B, HOSTILE)
NOT_COMPILING = f"{HEADER}\n  assign y = a & nowhere;\nendmodule\n"
ANSWERS = [
    sample("not_a", 0, design("~a")),
    sample("not_a", 1, design("a")),
    sample("a_and_b", 0, design("a & b")),
    sample("a_and_b", 1, NOT_COMPILING),
    sample("a_and_b", 2, design("a | b")).model_copy(update={"raw": f"Sure! {MARKUP}\n```\n{design('a | b')}```"}),
    sample(HOSTILE.id, 0, design("a ^ b") + f"// </script> {MARKUP} \u202e reversed\n"),
    sample(HOSTILE.id, 1, None).model_copy(update={"raw": f"</script>{MARKUP}"}),
]


def run_page(out: Path, problems: tuple[Problem, ...] = PROBLEMS, answers: list[Sample] | None = None) -> Path:
    """Score the answers in the real simulator and return the page."""
    score(problems, answers or ANSWERS, Icarus(), out, source={"model": f"hand {MARKUP}", "n": 2})
    return out / "report.html"
