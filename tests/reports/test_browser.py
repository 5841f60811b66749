"""The pages in a real browser: quiet, on their own, and no wider than a phone."""

import contextlib
import json
import os
import pathlib
import select
import shutil
import subprocess

import numpy as np
import pytest

from tinybert_tf.data import Examples
from tinybert_tf.evaluation.attention_maps import AttentionMaps, save_attention_maps
from tinybert_tf.evaluation.predictions import Predictions, save_predictions
from tinybert_tf.reports.run_page import write_report
from tinybert_tf.reports.sweep import write_sweep
from tinybert_tf.runs.config_file import parse_config
from tinybert_tf.runs.directory import RunDirectory

CHROMIUM = shutil.which("chromium")
# Seconds: of a machine that does much else.
PATIENCE = 300
PHONE, DESKTOP = (390, 844), (1280, 900)
# What a page may ask for: itself, and what it carries within.
OWN = ("file:", "data:")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: `apt-get install chromium`"),
]


class Browser:
    """Chromium without a window, spoken to in the DevTools protocol through two pipes."""

    def __init__(self, answers, commands):
        self._answers, self._commands = answers, commands
        self._buffer, self._count, self._session = b"", 0, None
        self.events = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def _receive(self):
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [], PATIENCE)
            assert ready, f"the browser says nothing for {PATIENCE} s"
            part = os.read(self._answers, 1 << 16)
            assert part, "the browser ended"
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def send(self, method, **params):
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._count:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, path, size, scheme="light"):
        """Loads a page and returns what it fetched and what the console said."""
        width, height = size
        is_phone = size == PHONE
        metrics = {"width": width, "height": height, "mobile": is_phone}
        self.send("Emulation.setDeviceMetricsOverride", deviceScaleFactor=1, **metrics)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.send("Emulation.setEmulatedMedia", features=[feature])
        self.events.clear()
        self.send("Page.navigate", url=pathlib.Path(path).as_uri())
        awaited = {"Page.frameNavigated", "Page.loadEventFired"}
        while not awaited <= {event["method"] for event in self.events}:
            self.events.append(self._receive())
        # What the page does on loading comes before the answer to this.
        self.evaluate("new Promise(done => requestAnimationFrame(() => done(0)))")
        said = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        fetched = [
            event["params"]["request"]["url"]
            for event in self.events
            if event["method"] == "Network.requestWillBeSent"
        ]
        return fetched, [event for event in self.events if event["method"] in said]

    def evaluate(self, expression):
        answer = self.send(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        return answer["result"].get("value")


@contextlib.contextmanager
def running_browser(profile):
    command = [
        *(CHROMIUM, "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={profile}"),
        *("--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
        # Chromium's own traffic is none of the page's.
        *("--disable-background-networking", "--disable-component-update"),
        # It refuses to run as root otherwise, as it does in containers.
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ]
    commands_read, commands_write = os.pipe()
    answers_read, answers_write = os.pipe()
    # Chromium reads from 3 and writes to 4.
    redirected = ["bash", "-c", f'exec "$@" 3<&{commands_read} 4>&{answers_write}', "bash"]
    process = subprocess.Popen(
        [*redirected, *command],
        pass_fds=(commands_read, answers_write),
        stderr=subprocess.DEVNULL,
    )
    os.close(commands_read)
    os.close(answers_write)
    try:
        yield Browser(answers_read, commands_write)
    finally:
        process.terminate()
        process.wait(PATIENCE)
        os.close(answers_read)
        os.close(commands_write)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with running_browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


SENTENCE = (
    "an uncommonly longwindedandunbreakablywritten word in a sentence that goes on and on"
)
TOKENS = ("[CLS]", *(f"token{i}" for i in range(38)), "[SEP]")


def make_run(values, directory, labels, learning_rate):
    """A run with all that a report can show, of more than fits a phone's width."""
    values["run_directory"] = str(directory)
    values["task"]["labels"] = labels
    values["teacher"]["fine_tune"]["optimizer"]["learning_rate"] = learning_rate
    run = RunDirectory.create(parse_config(values, "values"), resume=False)
    figures = {"accuracy": 0.875, "parameters": 4_000_000}
    row = {"megabytes": 4.5, "milliseconds": 2.5, "sequence_length": 16, "agreement": 1.0}
    run.add_results(
        evaluation={"teacher": figures, "student": figures, "retention": 1.0, "examples": 40},
        export={name: {**row, "accuracy": 0.75} for name in ("dynamic_int8", "static_int8")},
        teacher={"dev": {"accuracy": 0.9}},
        prediction={"best_dev": {"accuracy": 0.8}, "best_step": 3},
    )
    for step in range(1, 30):
        run.log("prediction", step, {"loss": 1 / step, "dev_accuracy": 0.5 + step / 100})
    random = np.random.default_rng(1)
    truth = np.arange(40, dtype="int32") % len(labels)
    examples = Examples((tuple(f"{SENTENCE} {i}" for i in range(40)),), truth)
    teacher, student = random.normal(size=(2, 40, len(labels)))
    teacher[np.arange(40), truth] += 9.0
    predictions = Predictions(examples, teacher, student)
    save_predictions(run.predictions, run.config().resolved_task(), predictions)
    maps = random.dirichlet(np.full(len(TOKENS), 0.1), (2, 3, len(TOKENS)))
    save_attention_maps(run.attention, AttentionMaps(TOKENS, (1, 2, 4), *maps))
    return run


@pytest.fixture(scope="module")
def pages(make_tiny_values, tmp_path_factory):
    """A report and a sweep."""
    folder = tmp_path_factory.mktemp("pages")
    labels = [f"a_rather_long_label_{i}" for i in range(77)]
    runs = [
        make_run(make_tiny_values(folder), folder / f"run_of_rate_{rate}", labels, rate)
        for rate in (0.01, 0.02)
    ]
    return {"report": write_report(runs[0]), "sweep": write_sweep(runs, folder / "sweep.html")}


@pytest.mark.parametrize("page", ["report", "sweep"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_nothing_is_fetched_and_nothing_complained_of(browser, pages, page, size):
    fetched, said = browser.open(pages[page], size)
    assert said == []
    assert pages[page].as_uri() in fetched
    assert [url for url in fetched if not url.startswith(OWN)] == []
    assert [url for url in fetched if url.startswith("file:")] == [pages[page].as_uri()]


@pytest.mark.parametrize("page", ["report", "sweep"])
def test_a_phone_shows_the_page_without_sideways_scrolling(browser, pages, page):
    browser.open(pages[page], PHONE)
    assert browser.evaluate("innerWidth") == 390
    assert browser.evaluate("document.scrollingElement.scrollWidth") <= 390
    # What is wider scrolls in its own box, which is as wide as the column at most.
    boxes = browser.evaluate(
        "[...document.querySelectorAll('.scroller, figure')]"
        ".map(b => [b.getBoundingClientRect().right, b.scrollWidth > b.clientWidth])"
    )
    assert boxes and all(right <= 390 for right, _ in boxes)
    assert any(is_wider for _, is_wider in boxes)


@pytest.mark.parametrize("page", ["report", "sweep"])
def test_text_can_be_read_on_a_phone(browser, pages, page):
    browser.open(pages[page], PHONE)
    sizes = browser.evaluate(
        """[...document.querySelectorAll('p, th, td, figcaption, blockquote, svg text')]
        .map(e => {
          const matrix = e.closest('svg') ? e.getScreenCTM() : {a: 1, b: 0};
          return parseFloat(getComputedStyle(e).fontSize) * Math.hypot(matrix.a, matrix.b);
        })"""
    )
    assert sizes and min(sizes) >= 10.5


def luminance(colour):
    """WCAG 2's relative luminance."""
    parts = np.array([float(part) for part in colour[4:-1].split(",")]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_the_page(browser, pages, scheme):
    browser.open(pages["report"], PHONE, scheme)
    colours = browser.evaluate(
        "['body', 'p', 'td', 'figcaption'].map(name =>"
        " getComputedStyle(document.querySelector(name)).color)"
    )
    page = luminance(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert (page > 0.5) == (scheme == "light")
    for colour in colours:
        low, high = sorted((page, luminance(colour)))
        # WCAG 2, level AA.
        assert (high + 0.05) / (low + 0.05) >= 4.5


def test_the_browser_would_have_told(browser, tmp_path):
    """A page with every mistake that the tests above look for."""
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<!DOCTYPE html><meta name=viewport content='width=device-width'>"
        "<link rel=icon href='data:,'><img src='http://127.0.0.1:9/x.png'>"
        "<div style='width: 700px'>wide</div><script>console.error('oh')</script>",
        "utf-8",
    )
    fetched, said = browser.open(bad, PHONE)
    assert "http://127.0.0.1:9/x.png" in fetched
    assert {event["method"] for event in said} == {
        "Runtime.consoleAPICalled",
        "Log.entryAdded",
    }
    # Its margin is 8 pixels.
    assert browser.evaluate("document.scrollingElement.scrollWidth") == 708
