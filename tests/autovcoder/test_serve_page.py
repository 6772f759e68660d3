"""The server's page in a real browser: what is asked, what is shown, and that a model's text is only ever text."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from .served import Writer, serving, writing

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
)  # fmt: skip
WAIT_MS = 30_000  # on a busy machine

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on PATH")

MARKUP = "</script><script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"
HEADER = "module gate (\n    input [3:0] a,\n    input [3:0] b,\n    output [3:0] y\n);\n"
AND = f"{HEADER}    assign y = a & b; // {MARKUP} \u202e\nendmodule\n"
SAME = f"{HEADER}    assign y = b & a;\nendmodule\n"
OR = f"{HEADER}    assign y = a | b;\nendmodule\n"
XOR = f"{HEADER}    assign y = a ^ b;\nendmodule\n"
BROKEN = f"{HEADER}    assign y = a & nowhere;\nendmodule\n"


def answers(asked: str) -> Sequence[str]:
    if "broken" in asked:
        return [f"Sure! {MARKUP}\n```verilog\n{BROKEN}```"]
    if "prose" in asked:
        return [MARKUP]
    return [f"{MARKUP}\n```verilog\n{code}```" for code in (AND, OR, SAME, XOR)]


@pytest.fixture(scope="module")
def writer() -> Iterator[Writer]:
    with writing(answers) as writer:
        yield writer


@pytest.fixture(scope="module")
def address(writer: Writer) -> Iterator[str]:
    with serving("--model", MARKUP, "--endpoint", writer.url, "-n", "4") as (url, _):
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=4 * WAIT_MS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page, opened; afterwards it must have asked this server alone, and nothing of a model may have run."""
    opened = browser.new_page(viewport={"width": 1300, "height": 900})
    opened.set_default_timeout(WAIT_MS)
    expect.set_options(timeout=WAIT_MS)
    hosts: set[str] = set()
    complaints: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        # A request that the server refuses is noted by the browser itself.
        if "the server responded with a status of 400" not in message.text:
            complaints.append(f"{message.type}: {message.text}")

    opened.on("request", lambda request: hosts.add("/".join(request.url.split("/")[:3])))
    opened.on("console", on_console)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    opened.goto(address, timeout=WAIT_MS)
    yield opened
    title, images, scripts = opened.title(), opened.locator("img").count(), opened.locator("script").count()
    opened.close()
    assert complaints == []
    assert hosts == {address}
    assert (title, images, scripts) == (f"AutoVCoder: {MARKUP}", 0, 4)


def ask(page: Page, spec: str) -> None:
    page.get_by_label("What the module shall do").fill(spec)
    page.keyboard.press("Control+Enter")


def test_an_answer_comes_with_its_code_agreement_and_waveform(page: Page) -> None:
    ask(page, "four and gates")
    expect(page.get_by_role("status")).to_have_text("Done: the design is accepted.")
    shown = page.get_by_role("region", name="Result")
    expect(shown).to_contain_text("2 of 4 answers do the same")
    code = shown.locator(".source").first
    expect(code).to_contain_text(f"assign y = a & b; // {MARKUP} \N{REPLACEMENT CHARACTER}")
    assert code.locator(".t-keyword").first.inner_text() == "module"
    groups = shown.locator(".group")
    expect(groups).to_have_count(3)
    expect(groups.nth(0)).to_have_text("number 1, 3: chosen, the same")
    expect(groups.nth(1)).to_contain_text("differs first at step ")
    expect(groups.nth(1)).to_contain_text("y is ")
    wave = shown.locator(".wave")
    expect(wave.locator(".first-mismatch text")).to_contain_text("first difference, ")
    expect(wave.locator(".wave-names .expected .role")).to_have_text("chosen")
    expect(wave.locator(".wave-names .got .role")).to_have_text("no. 2, differs")
    shown.get_by_label("Waveform to show").select_option(index=1)
    expect(wave.locator(".wave-names .got .role")).to_have_text("no. 4, differs")
    shown.locator(".answers > details").nth(1).locator("summary").first.click()
    expect(shown.get_by_text("assign y = a | b;", exact=True)).to_be_visible()


def test_what_does_not_compile_is_shown_at_its_line(page: Page) -> None:
    ask(page, "something broken")
    expect(page.get_by_role("status")).to_have_text("Done: no answer is accepted; the best is shown.")
    shown = page.get_by_role("region", name="Result")
    expect(shown.locator(".source").first.locator(".row.error")).to_contain_text("nowhere")
    expect(shown).to_contain_text("elaboration error")
    ask(page, "prose")
    expect(shown).to_contain_text("No Verilog was found in the answer")
    expect(shown.locator("pre").first).to_have_text(MARKUP)


def test_everything_can_be_reached_and_done_by_keys_and_has_a_name(page: Page) -> None:
    names = page.evaluate(
        "() => [...document.querySelectorAll('input, select, textarea')].map((one) => one.labels.length)"
    )
    assert len(names) == 8
    assert min(names) == 1
    page.keyboard.press("Tab")
    page.keyboard.type("a gate")
    for key in ("Tab", "Tab"):
        page.keyboard.press(key)
    page.keyboard.press("ArrowUp")
    assert page.get_by_label("Answers").input_value() == "5"
    for _ in range(5):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_label("A Verilog testbench")).to_be_visible()
    for _ in range(2):
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Write Verilog")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Done: the design is accepted.")
    expect(page.get_by_role("region", name="Result")).to_contain_text("of 5 answers do the same")


def test_what_is_asked_wrongly_is_said_and_what_takes_long_can_be_stopped(page: Page, writer: Writer) -> None:
    page.get_by_label("Module header").fill("no header")
    ask(page, "forever")
    expect(page.get_by_role("status")).to_contain_text("the header is not Verilog")
    expect(page.get_by_role("region", name="Result")).to_be_hidden()
    page.get_by_label("Module header").fill("")
    ask(page, "forever")
    wait = page.get_by_role("button", name="Stop")
    expect(wait).to_be_visible()
    wait.click()
    expect(page.get_by_role("status")).to_have_text("Stopped.")
    assert writer.gone.wait(timeout=60)
    ask(page, "two gates")
    expect(page.get_by_role("status")).to_have_text("Done: the design is accepted.")


def test_a_narrow_screen_needs_no_scrolling_sideways(page: Page) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    ask(page, "narrow gates")
    expect(page.locator(".wave svg")).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 400
    expect(page.locator(".wave-names .got .role")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground_in_both_schemes(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    ground, text = page.evaluate(
        "() => { const made = getComputedStyle(document.getElementById('spec'));"
        " return [made.backgroundColor, made.color]; }"
    )
    sums = [sum(int(part) for part in colour.strip("rgb()").split(",")[:3]) for colour in (ground, text)]
    assert abs(sums[0] - sums[1]) > 500
    assert (sums[0] < sums[1]) == (scheme == "dark")
