"""The page as people have it: three real browsers at once, and a server that is killed."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from jaxlic.study import folder, store
from tests.study.small import make_study

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")
KEYS = {"left": "ArrowLeft", "not sure": "ArrowDown", "right": "ArrowRight"}


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """`jaxlic study serve` in a process that can be killed."""

    def __init__(self, path, port):
        self.command = [sys.executable, "-m", "jaxlic", "study", "serve", str(path)]
        self.command += ["--port", str(port)]
        self.url = f"http://127.0.0.1:{port}/"
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        assert self.url in self.process.stdout.readline()

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def server(tmp_path, free_port):
    make_study(tmp_path / "study")
    served = Server(tmp_path / "study", free_port)
    yield served
    served.kill()


class Person:
    """Somebody at a browser. Whatever it says on its console, or asks of others, is kept."""

    def __init__(self, playwright, url, **device):
        self.browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        self.page = self.browser.new_context(**device).new_page()
        self.said, self.asked = [], []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.url = url

    def begin(self):
        self.page.goto(self.url)
        self.page.wait_for_selector("#agree", state="visible")
        for box in ("#steady", "#agree"):
            if self.page.locator(box).is_visible():
                self.page.check(box)
        self.page.click("#begin")

    def answer(self, response="left"):
        """To the next question, through a pause if there is one."""
        self.page.wait_for_selector("#answer-left:visible, #go-on:visible")
        if self.page.locator("#go-on").is_visible():
            self.page.click("#go-on")
        before = self.page.inner_text("#place")
        if self.page.locator("#toggle").is_visible():
            self.page.wait_for_selector("#toggle:enabled")
            assert self.page.locator("#answer-left").is_disabled()
            self.page.keyboard.press(" ")
        self.page.wait_for_selector("#answer-left:enabled")
        self.page.keyboard.press(KEYS[response])
        self.until(lambda: self.page.inner_text("#place") != before or not self.asking())

    def until_done(self):
        while not self.page.locator("#done").is_visible():
            self.answer("right")
        self.until(lambda: "are stored" in self.page.inner_text("#finished"))

    def asking(self):
        return self.page.locator("#trial").is_visible()

    def until(self, condition, seconds=60):
        """Waits; the page's policy does not let Playwright's `wait_for_function` in."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "nothing happens"
            self.page.wait_for_timeout(20)

    def session(self):
        return json.loads(self.page.evaluate("localStorage['jaxlic-study']"))["session"]


def stored(path):
    with sqlite3.connect(path / folder.ANSWERS) as answers:
        query = "select session, question, response, reloads from answers"
        return answers.execute(query).fetchall()


def test_three_browsers_at_once(tmp_path, server):
    people, problems = [], []

    def take_part(number):
        try:
            with sync_api.sync_playwright() as playwright:
                person = Person(playwright, server.url)
                person.begin()
                person.until_done()
                people.append((person.session(), person.said, person.asked))
                person.browser.close()
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=take_part, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems, problems
    rows = stored(tmp_path / "study")
    count = len(folder.load(tmp_path / "study").questions)
    assert {row[0] for row in rows} == {session for session, _, _ in people}
    assert len(people) == 3 and len(rows) == 3 * count
    for _, said, asked in people:
        assert said == []  # No warning, no violation of the policy.
        assert all(url.startswith(server.url) for url in asked)
        assert len(asked) < 10 + 7 * count  # Nothing is asked for again and again.


def test_a_killed_server_and_a_reloaded_page_lose_nothing(tmp_path, server):
    with sync_api.sync_playwright() as playwright:
        person = Person(playwright, server.url)
        person.begin()
        for _ in range(2):
            person.answer("left")
        person.page.reload()
        person.answer("not sure")
        person.page.wait_for_selector("#toggle:enabled, #go-on:visible")
        server.kill()  # The answer to the pictures that are shown cannot be sent.
        person.answer("right")
        person.page.wait_for_selector("#offline", state="visible")
        session = person.session()
        server.start()
        person.page.wait_for_selector("#offline", state="hidden")
        person.page.reload()
        person.until_done()
        assert person.session() == session
        person.browser.close()
    rows = stored(tmp_path / "study")
    study = folder.load(tmp_path / "study")
    assert sorted(row[1] for row in rows) == sorted(study.questions)
    assert {row[0] for row in rows} == {session}
    assert sorted({row[3] for row in rows}) == [0, 1, 2]
    assert [row[2] for row in rows].count("left") == 2


def test_boosted_pictures_flicker_at_the_plan_s_rate_and_its_phases_are_measured(
    tmp_path, free_port
):
    make_study(tmp_path / "study", kind="boosted")
    server = Server(tmp_path / "study", free_port)
    try:
        with sync_api.sync_playwright() as playwright:
            person = Person(playwright, server.url)
            person.page.goto(server.url)
            person.page.wait_for_selector("#agree", state="visible")
            assert "seizures" in person.page.inner_text("#photosensitivity")
            person.page.check("#agree")
            assert person.page.locator("#begin").is_disabled()  # The warning must be read.
            person.page.check("#steady")
            person.page.click("#begin")
            person.page.wait_for_selector("#answer-left:enabled")
            person.page.evaluate(
                "window.seen = []; new MutationObserver(() => seen.push(performance.now()))"
                ".observe(document.getElementById('stage'), {attributeFilter: ['class']})"
            )
            person.until(lambda: person.page.evaluate("seen.length") > 12)
            person.page.keyboard.press("ArrowLeft")
            queue = "JSON.parse(localStorage['jaxlic-study']).queue.length"
            person.until(lambda: person.page.evaluate(queue) == 0)
            person.browser.close()
    finally:
        server.kill()
    study = folder.load(tmp_path / "study")
    with store.opened(study) as answers:
        (answer,) = store.everything(answers)
    assert answer.toggles == 0 and answer.phases >= 12
    assert answer.phase_mean >= 90  # Milliseconds; a busy machine is slower, and it is stored.
    assert answer.phase_longest >= answer.phase_mean
    assert study.shown[0].width == 256


def test_a_window_that_is_too_small_waits(tmp_path, server):
    with sync_api.sync_playwright() as playwright:
        person = Person(playwright, server.url, viewport={"width": 390, "height": 760})
        person.begin()
        person.page.wait_for_selector("#small", state="visible")
        person.page.set_viewport_size({"width": 900, "height": 760})
        person.answer("left")
        person.browser.close()
        phone = dict(viewport={"width": 390, "height": 760}, device_scale_factor=3)
        person = Person(playwright, server.url, **phone)
        person.begin()
        person.answer("left")
        box = person.page.locator("#left").bounding_box()
        assert box["width"] == pytest.approx(256 / 3, abs=0.1)  # A pixel on a pixel.
        person.browser.close()
