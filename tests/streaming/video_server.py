"""A live camera's stand-in: an HTTP server whose every visitor gets an endless MPEG-TS stream at its real speed.

python video_server.py PORT WIDTH HEIGHT [FRAMES]    with FRAMES the stream ends after so many
"""

import itertools
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av
import numpy as np

FPS = 25


class Camera(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "video/mp2t")
        self.end_headers()
        began = time.monotonic()
        try:
            with av.open(self.wfile, "w", format="mpegts", options={"flush_packets": "1"}) as container:
                stream = container.add_stream("mpeg2video", rate=FPS, width=WIDTH, height=HEIGHT, pix_fmt="yuv420p")
                for index in itertools.count() if FRAMES is None else range(FRAMES):
                    picture = np.full((HEIGHT, WIDTH, 3), 10 * (index % 20), np.uint8)
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
                    self.wfile.flush()
                    time.sleep(max(0.0, began + index / FPS - time.monotonic()))
        except (OSError, av.FFmpegError):  # the visitor has gone
            return

    def log_message(self, *arguments):
        pass


if __name__ == "__main__":
    PORT, WIDTH, HEIGHT, *rest = map(int, sys.argv[1:])
    FRAMES = rest[0] if rest else None
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Camera)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    server.serve_forever()
