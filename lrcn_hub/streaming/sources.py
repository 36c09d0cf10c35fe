"""What can be watched: a file, a pipe, a camera or a stream's address, opened by FFmpeg."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal
from urllib.parse import urlsplit

import av
from av.packet import Packet
from av.video.frame import VideoFrame

from lrcn_hub.data.videos import UnreadableVideoError, probe
from lrcn_hub.data.videos.pyav import OpenVideo, open_video

Kind = Literal["file", "pipe", "device", "url"]

_CAMERAS = "video4linux2,v4l2"  # FFmpeg's name for /dev/video0 and the like


@dataclass(frozen=True)
class Source:
    """A video to be watched, as it was named: ``-`` is standard input, ``/dev/...`` a camera, ``x://...`` a stream."""

    given: str

    @cached_property
    def kind(self) -> Kind:
        """Found out once: a camera that is pulled out is still one."""
        if self.given == "-":
            return "pipe"
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", self.given):
            return "url"
        mode = os.stat(self.given).st_mode if os.path.exists(self.given) else 0
        if stat.S_ISCHR(mode):
            return "device"
        return "pipe" if stat.S_ISFIFO(mode) else "file"

    @property
    def name(self) -> str:
        """What it is called in events: as given, but for a password in an address."""
        if self.kind != "url" or "@" not in urlsplit(self.given).netloc:
            return self.given
        login, _, host = urlsplit(self.given).netloc.rpartition("@")
        return self.given.replace(f"{login}@", "***@", 1) if host else self.given

    @property
    def live(self) -> bool:
        """Whether frames come by themselves, watched or not; a file waits, and a pipe makes its writer wait."""
        return self.kind in ("device", "url")

    def check(self) -> None:
        """Raise UnreadableVideoError for a file that is no video; others are known only when they are opened."""
        if self.kind == "file":
            probe(self.given)

    def open(self, timeout: float, options: Mapping[str, str]) -> AbstractContextManager[OpenVideo]:
        """Open it; neither that nor a read from a network takes longer than `timeout` seconds."""
        more: dict[str, Any] = {"options": dict(options)}
        if self.kind == "pipe":
            return open_video("pipe:0" if self.given == "-" else self.given, **more)
        if self.kind == "device":
            if _CAMERAS not in av.formats_available:
                raise UnreadableVideoError(self.given, "the FFmpeg that PyAV brings here cannot read cameras (v4l2)")
            return open_video(self.given, format=_CAMERAS, **more)
        return open_video(self.given, timeout=(timeout, timeout), **more)


def lasting_frames(video: OpenVideo) -> Iterator[VideoFrame | str]:
    """Decode to the end, over damaged parts; the reason is given, once, in place of the first of these.

    Raises av.FFmpegError where no more can be read, after the last frame that can be had.
    """
    damaged = False
    packets = video.container.demux(video.stream)  # the last one, empty, asks for what the decoder still holds
    while True:
        packet: Packet | None = None
        failure: av.FFmpegError | None = None
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.FFmpegError as error:
            failure = error
        try:
            yield from video.stream.decode(packet)
        except av.error.InvalidDataError as error:  # such as a stream joined between two key frames
            if not damaged:
                damaged = True
                yield f"damaged data are left out ({error.strerror})"
        if failure is not None:
            raise failure


def is_finite(video: OpenVideo) -> bool:
    """Whether what was opened has a known length, as a file at an address has: its end is the end."""
    return video.container.size > 0
