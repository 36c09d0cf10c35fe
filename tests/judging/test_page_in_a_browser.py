"""The sheet in a real browser, opened as a file: Chromium is driven through its own protocol, with real keys, and what
it downloads is counted."""

import asyncio
import contextlib
import json
import shutil
import subprocess
import time
import urllib.request

import pytest

from lrcn_hub.judging import read_sheets, render_sheet, tally
from lrcn_hub.judging.key import CRITERIA

aiohttp = pytest.importorskip("aiohttp")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")]


class Page:
    """A page in a browser: what can be done there, and what it has become."""

    def __init__(self, socket):
        self.socket, self.number, self.events = socket, 0, []

    async def call(self, method, **parameters):
        self.number += 1
        await self.socket.send_json({"id": self.number, "method": method, "params": parameters})
        while True:
            answer = json.loads((await self.socket.receive(timeout=60)).data)
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    async def do(self, script):
        answer = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def press(self, key):
        await self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=key if len(key) == 1 else "", code=key)
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key)

    async def write(self, text):
        await self.do("document.getElementById('rater').focus()")
        await self.call("Input.insertText", text=text)

    async def click(self, name):
        await self.do(f"document.getElementById('{name}').click()")

    async def text(self, name):
        return await self.do(f"document.getElementById('{name}').textContent")

    async def go(self, address):
        await self.call("Page.navigate", url=address)
        while not await self.do(f"location.href === {json.dumps(address)} && document.readyState === 'complete'"):
            await asyncio.sleep(0.05)

    async def size(self, width, height):
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )


@contextlib.asynccontextmanager
async def browser(folder):
    """Start Chromium; what it downloads comes into ``folder/downloads``, and its error messages are refused."""
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    options += ["--no-first-run", "--remote-debugging-port=0", "about:blank"]
    silence = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([CHROMIUM, *options], **silence)
    try:
        port_file, end = folder / "profile/DevToolsActivePort", time.monotonic() + 60
        while not (port_file.exists() and port_file.read_text().count("\n")):
            assert time.monotonic() < end, "Chromium does not start"
            await asyncio.sleep(0.05)
        with urllib.request.urlopen(f"http://127.0.0.1:{port_file.read_text().split()[0]}/json/list") as answer:
            address = next(tab["webSocketDebuggerUrl"] for tab in json.load(answer) if tab["type"] == "page")
        async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=0) as socket:
            page = Page(socket)
            await page.call("Runtime.enable")
            await page.call("Page.enable")
            await page.call("Network.enable")
            await page.call(
                "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0
            )
            (folder / "downloads").mkdir(exist_ok=True)
            await page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder / "downloads"))
            yield page
            assert not [event for event in page.events if event.get("method") == "Runtime.exceptionThrown"]
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def address(key, photos, tmp_path):
    """Of a sheet of four pictures, as a file."""
    (tmp_path / "sheet.html").write_text(render_sheet(key, photos, "Which sentence is best?"), encoding="utf-8")
    return (tmp_path / "sheet.html").as_uri()


def downloads(folder):
    return [file for file in (folder / "downloads").glob("*") if file.suffix == ".json"]


async def downloaded(folder, number):
    end = time.monotonic() + 30
    while len(downloads(folder)) < number:
        assert time.monotonic() < end, "nothing was downloaded"
        await asyncio.sleep(0.05)
    return sorted(downloads(folder))


async def rank_all(page, key, best):
    """Rank by digits alone: the caption of system `best` first by grammar, last by relevance, all alike else."""
    for ballot in key.ballots:
        for names in ballot.systems:
            last = len(ballot.captions)
            for rank in (1, 1 if best in names else 2, last if best in names else 1):
                await page.press(str(rank))
        await page.press("n")


def test_a_sheet_is_filled_by_keys_saved_and_counted(address, key, tmp_path):
    async def story():
        async with browser(tmp_path) as page:
            await page.go(address)
            assert await page.do("location.protocol") == "file:"
            await page.write("Ann n1")  # letters and digits in a name are no commands
            assert await page.text("done") == "0 of 4 pictures ranked"
            await page.do("document.activeElement.blur()")
            await rank_all(page, key, "human")
            assert await page.text("done") == "4 of 4 pictures ranked"
            await page.do("document.activeElement.blur()")
            await page.press("2")  # no line has the focus and none is left: it changes nothing
            await page.click("save")
            return await downloaded(tmp_path, 1), await page.text("message")

    files, message = asyncio.run(story())
    assert files[0].name == f"ratings-ann-n1-{key.id}.json" and f"Saved as {files[0].name}" in message
    (sheet,) = read_sheets(files, key)
    assert sheet.rater == "Ann n1"
    for ballot in key.ballots:
        human = next(place for place, names in enumerate(ballot.systems) if "human" in names)
        places = range(len(ballot.captions))
        assert sheet.ranks[ballot.id]["correctness"] == [1 for _ in places]
        assert sheet.ranks[ballot.id]["grammar"] == [1 if place == human else 2 for place in places]
        assert sheet.ranks[ballot.id]["relevance"] == [len(places) if place == human else 1 for place in places]
    found = tally(key, [sheet]).ranks
    assert {name: ranks["human"].score for name, ranks in found.items()} == dict(zip(CRITERIA, (2, 1, 3), strict=True))


def test_an_unfinished_sheet_is_not_saved_and_says_what_is_missing(address, key, tmp_path):
    async def story():
        async with browser(tmp_path) as page:
            await page.go(address)
            said = []
            await page.click("save")
            said.append((await page.text("message"), await page.do("document.activeElement.id")))
            await page.write("Ann")
            await page.click("save")
            said.append((await page.text("message"), await page.text("place")))
            await page.do("document.activeElement.blur()")
            await rank_all(page, key, "human")
            await page.click("save")
            await downloaded(tmp_path, 1)
            # one rank of the third picture is taken back, as if it had never been given
            await page.do("state.ranks[2][1][0] = 0; keep(); show()")
            await page.click("save")
            said.append((await page.text("message"), await page.text("place")))
            marked = await page.do("[...document.querySelectorAll('.caption')].map(c => c.classList.contains('open'))")
            return said, marked

    (nameless, empty, last), marked = asyncio.run(story())
    assert nameless == ("Not saved: write your name or initials first, at the top.", "rater")
    assert empty[0].startswith(
        "Not saved: 4 of 4 pictures are not finished. The first, picture 1 lacks a rank for corr"
    )
    assert last[0].startswith(
        "Not saved: 1 of 4 pictures are not finished. The first, picture 3 lacks a rank for gramm"
    )
    assert last[1] == "Picture 3 of 4"
    assert marked == [True] + [False] * (len(key.ballots[2].captions) - 1)
    assert len(downloads(tmp_path)) == 1


def test_ranks_outlive_the_page_until_another_rater_starts_over(address, key, tmp_path):
    async def story():
        async with browser(tmp_path) as page:
            await page.go(address)
            await page.write("Ann")
            await page.do("document.activeElement.blur()")
            await rank_all(page, key, "ours")
            await page.go("about:blank")
            await page.go(address)
            assert await page.text("done") == "4 of 4 pictures ranked"
            assert await page.do("document.getElementById('rater').value") == "Ann"
            await page.click("save")
            await downloaded(tmp_path, 1)
            await page.click("restart")
            assert await page.text("done") == "0 of 4 pictures ranked"
            await page.go("about:blank")
            await page.go(address)
            assert await page.do("document.getElementById('rater').value") == ""
            await page.write("Bob")
            await page.do("document.activeElement.blur()")
            await rank_all(page, key, "theirs")
            await page.click("save")
            return await downloaded(tmp_path, 2)

    ann, bob = read_sheets(asyncio.run(story()), key)
    assert (ann.rater, bob.rater) == ("Ann", "Bob") and ann.copy != bob.copy


def test_unsaved_ranks_are_not_forgotten_unasked(address, tmp_path):
    async def story():
        async with browser(tmp_path) as page:
            await page.go(address)
            await page.press("2")
            # the question stops the page: it is answered while the click is still under way
            await page.do("setTimeout(() => document.getElementById('restart').click()) && undefined")
            while not any(event.get("method") == "Page.javascriptDialogOpening" for event in page.events):
                page.events.append(json.loads((await page.socket.receive(timeout=30)).data))
            await page.call("Page.handleJavaScriptDialog", accept=False)
            return await page.do("state.ranks[0][0][0]")

    assert asyncio.run(story()) == 2


@pytest.mark.parametrize("width", [1280, 768, 360, 320])
def test_nothing_is_cut_off_on_any_screen(width, address, key, tmp_path):
    async def story():
        async with browser(tmp_path) as page:
            await page.size(width, 700)
            await page.go(address)
            found = []
            for _ in key.ballots:
                found.append(
                    await page.do(
                        """({
                        page: document.documentElement.scrollWidth,
                        outside: [...document.querySelectorAll("main *")]
                          .filter(one => one.getBoundingClientRect().right > innerWidth + 0.5).length,
                        picture: document.getElementById("picture").getBoundingClientRect().width,
                        texts: [...document.querySelectorAll(".caption > p")].map(one => one.textContent),
                        marks: document.querySelectorAll(".caption b").length,
                    })"""
                    )
                )
                await page.press("n")
            return found

    for ballot, shown in zip(key.ballots, asyncio.run(story()), strict=True):
        assert shown["page"] <= width and shown["outside"] == 0
        assert shown["picture"] > 100
        assert shown["texts"] == [caption or "(no sentence)" for caption in ballot.captions]
        assert shown["marks"] == 0  # what looks like HTML in a caption is text
