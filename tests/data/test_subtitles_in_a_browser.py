"""Subtitles played by a real browser: Chromium shows the cues of a file that was written here, while a video plays."""

import json
import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import av
import numpy as np
import pytest

from lrcn_hub.data.subtitles import SubtitleWriter

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CUES = [(0.0, 1.5, "a <red> square & then --> left"), (1.5, 3.0, "two\n\nlines"), (3.0, 3.75, "Ünder 字")]
PAGE = """<!doctype html><meta charset=utf-8>
<video id=video src=video.webm muted><track id=track default kind=subtitles src=cues.vtt></video>
<script>
const video = document.getElementById("video"), track = document.getElementById("track"), shown = [];
const tell = found => fetch("/found", {method: "POST", body: JSON.stringify(found)});
const text = cue => cue.getCueAsHTML().textContent;
track.track.mode = "showing";
track.onerror = () => tell({error: "the track was not accepted"});
track.track.oncuechange = () => { for (const cue of track.track.activeCues) shown.push(text(cue)); };
video.onended = () => tell({
  cues: [...track.track.cues].map(cue => [cue.startTime, cue.endTime, text(cue)]), shown, state: track.readyState});
video.play().catch(error => tell({error: String(error)}));
</script>"""
LOADED = 2  # HTMLTrackElement.readyState


class Site(SimpleHTTPRequestHandler):
    """A folder, and what its page has found."""

    def __init__(self, *arguments, told, **options):
        self.told = told
        super().__init__(*arguments, **options)

    def do_POST(self):
        self.told["found"] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()
        self.told["done"].set()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def opened(tmp_path):
    """Open the page of a folder in Chromium; gives what the page tells."""
    told = {"done": threading.Event()}
    site = ThreadingHTTPServer(("127.0.0.1", 0), partial(Site, told=told, directory=str(tmp_path)))
    threading.Thread(target=site.serve_forever, daemon=True).start()

    def look():
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
        options += [f"--user-data-dir={tmp_path / 'profile'}", "--remote-debugging-port=0"]
        address = f"http://127.0.0.1:{site.server_port}/index.html"
        silence = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        browser = subprocess.Popen([CHROMIUM, *options, address], **silence)
        try:
            assert told["done"].wait(120), "the page has told nothing"
        finally:
            browser.terminate()
            browser.wait(30)
        return told["found"]

    yield look
    site.shutdown()
    site.server_close()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_a_browser_shows_every_cue_while_the_video_plays(opened, tmp_path):
    with av.open(str(tmp_path / "video.webm"), "w") as container:
        stream = container.add_stream("libvpx", rate=10, width=64, height=48, pix_fmt="yuv420p")
        for number in range(40):
            frame = np.full((48, 64, 3), 6 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    with SubtitleWriter(tmp_path / "cues.vtt", "vtt") as writer:
        for cue in CUES:
            writer.write(*cue)
    (tmp_path / "index.html").write_text(PAGE, encoding="utf-8")
    found = opened()
    texts = ["a <red> square & then --> left", "two\nlines", "Ünder 字"]
    assert found == {
        "cues": [[start, end, text] for (start, end, _), text in zip(CUES, texts, strict=True)],
        "shown": texts,
        "state": LOADED,
    }
