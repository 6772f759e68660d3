"""The page as a person meets it: a file in a real browser, which finds nothing to fetch and nothing to complain of."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from .page_run import HOSTILE, run_page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
)  # fmt: skip
WAIT_MS = 30_000  # on a busy machine
expect.set_options(timeout=WAIT_MS)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on PATH")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=4 * WAIT_MS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    return run_page(tmp_path_factory.mktemp("browser") / "run").as_uri()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page, opened; afterwards it must have asked for nothing but itself and have no complaint."""
    opened = browser.new_page(viewport={"width": 1300, "height": 900})
    opened.set_default_timeout(WAIT_MS)
    asked: list[str] = []
    complaints: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        complaints.append(f"{message.type}: {message.text}")

    opened.on("request", lambda request: asked.append(request.url.partition("#")[0]))
    opened.on("console", on_console)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    opened.goto(address, timeout=WAIT_MS)
    yield opened
    opened.close()
    assert complaints == []
    assert set(asked) == {address}


def names(page: Page) -> list[str]:
    """The problems that the table shows, in its order."""
    shown = page.locator("#problems tbody tr:not([hidden]) .name")
    return shown.all_inner_texts()


def test_a_filter_leaves_the_problems_with_such_answers(page: Page) -> None:
    assert names(page) == ["not_a", "a_and_b", HOSTILE.id]
    chip = page.get_by_role("button", name="elaboration error 1")
    chip.click()
    expect(chip).to_have_attribute("aria-pressed", "true")
    assert names(page) == ["a_and_b"]
    expect(page.locator("#shown")).to_have_text("1 of 3 problems, 1 answers")
    page.get_by_role("button", name="Clear filters").click()
    page.get_by_role("searchbox").fill("drive ~A")
    assert names(page) == ["not_a"]
    page.get_by_role("searchbox").fill("nothing like it")
    expect(page.get_by_text("No problem matches")).to_be_visible()
    page.get_by_role("searchbox").fill("")
    page.locator("#category").select_option("more gates")
    assert names(page) == ["a_and_b"]


def test_a_class_of_failures_filters_too(page: Page) -> None:
    reason = page.get_by_role("button", name="use of undeclared identifier '...'")
    reason.click()
    expect(reason).to_have_attribute("aria-pressed", "true")
    assert names(page) == ["a_and_b"]


def test_a_head_sorts_by_its_column_also_from_the_keyboard(page: Page) -> None:
    head = page.get_by_role("columnheader", name="passed")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    assert names(page) == [HOSTILE.id, "not_a", "a_and_b"]
    page.keyboard.press("Enter")
    expect(head).to_have_attribute("aria-sort", "descending")
    assert names(page)[-1] == HOSTILE.id
    page.get_by_role("columnheader", name="problem").get_by_role("button").press("Enter")
    assert names(page) == ["a_and_b", HOSTILE.id, "not_a"]


def test_a_wrong_answer_opens_with_its_waveform_and_the_first_mismatch_marked(page: Page) -> None:
    page.get_by_role("link", name="not_a", exact=True).click()
    answer = page.get_by_role("dialog")
    expect(answer.get_by_role("heading", name="not_a")).to_be_visible()
    expect(answer).to_contain_text("4 of 4 samples differ")
    mark = answer.locator(".first-mismatch")
    expect(mark.locator("text")).to_be_visible()
    expect(mark).to_have_attribute("data-time", "0")
    expect(mark).to_contain_text("first mismatch, 0 s")
    line = mark.locator("line").bounding_box()
    assert line is not None
    assert line["height"] > 100
    expect(answer.locator("[data-signal=y_dut] .difference").first).to_be_visible()
    assert answer.locator(".wave-names .role").all_inner_texts() == ["", "", "expected", "got, differs"]
    assert answer.locator(".wave-names .now").all_inner_texts() == ["0", "0", "1", "0"]
    expect(answer).to_contain_text("Drive y with ~a.")
    assert page.url.endswith("#not_a/1")
    page.keyboard.press("Escape")
    expect(answer).to_be_hidden()
    expect(page).to_have_url(re.compile("^[^#]+$"))


def test_a_design_that_does_not_compile_has_the_diagnostic_at_its_line(page: Page) -> None:
    page.get_by_role("link", name="answer 1: elaboration error").click()
    line = page.locator(".row.error")
    assert (line.count(), line.get_attribute("data-line")) == (1, "2")
    expect(line).to_contain_text("assign y = a & nowhere;")
    below = page.locator(".row.error + .message")
    expect(below).to_contain_text("use of undeclared identifier 'nowhere'")
    expect(page.get_by_role("dialog")).to_contain_text("The answer was this code and nothing else.")


def test_an_address_opens_its_answer_and_keys_go_on_from_there(page: Page, address: str) -> None:
    page.goto(f"{address}#a_and_b/2")
    answer = page.get_by_role("dialog")
    expect(answer.locator("h2")).to_have_text("a_and_b")
    answer.get_by_text("Raw answer").click()
    expect(answer.get_by_text("Sure! <script>")).to_be_visible()
    page.keyboard.press("k")
    expect(answer).to_contain_text("answer 1")
    assert page.url.endswith("#a_and_b/1")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(answer.locator("h2")).to_have_text(HOSTILE.id)


def test_what_a_model_wrote_is_shown_and_never_run(page: Page, address: str) -> None:
    page.goto(f"{address}#{quote(HOSTILE.id, safe='')}/0")
    answer = page.get_by_role("dialog")
    expect(answer.locator("h2")).to_have_text(HOSTILE.id)
    expect(answer).to_contain_text("// </script> <script>document.title = 'owned'</script>")
    page.goto(f"{address}#{quote(HOSTILE.id, safe='')}/1")
    expect(answer).to_contain_text("No Verilog was found in this answer.")
    assert "owned" not in page.title().replace("document.title = 'owned'", "")
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 2


def test_an_address_of_nothing_shows_the_table(page: Page, address: str) -> None:
    for nothing in ("#nobody/0", "#not_a/99", "#%E0%A4%A/1", "#"):
        page.goto(address + nothing)
        assert page.locator("#problems tbody tr:not([hidden])").count() == 3
        expect(page.get_by_role("dialog")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground_in_both_schemes(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    ground, text = page.evaluate(
        "() => [getComputedStyle(document.documentElement).backgroundColor, getComputedStyle(document.body).color]"
    )
    sums = [sum(int(part) for part in colour.strip("rgb()").split(",")[:3]) for colour in (ground, text)]
    assert abs(sums[0] - sums[1]) > 500
    assert (sums[0] < sums[1]) == (scheme == "dark")
