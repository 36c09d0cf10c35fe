"""What a video file says about itself."""

from __future__ import annotations

from dataclasses import dataclass

from lrcn_hub.data.videos.faults import UnreadableVideoError
from lrcn_hub.data.videos.pyav import OpenVideo, VideoSource, open_video, upright


@dataclass(frozen=True)
class VideoInfo:
    """What stands in a video's header, and what its first frame shows."""

    frames: int
    """How many the header announces, or duration times fps where it does not; it may lie: `frame_times` counts."""
    fps: float
    """Frames per second on average."""
    duration: float
    """Seconds, by the header."""
    width: int
    """Of the upright frame, in pixels."""
    height: int
    rotation: int
    """Degrees counter-clockwise by which stored frames are turned to stand upright: 0, 90, 180 or 270."""


def probe(path: VideoSource) -> VideoInfo:
    """Read the header and decode the first frame; raises `UnreadableVideoError` where there is none."""
    with open_video(path) as video:
        frame = next(video.decoded(), None)
        if frame is None:
            raise UnreadableVideoError(video.name, "it has no frames")
        height, width = upright(frame).shape[:2]
        duration = _duration(video)
        frames = video.stream.frames or max(1, round(duration * video.fps))
        return VideoInfo(frames, video.fps, duration, width, height, round(frame.rotation / 90) * 90 % 360)


def _duration(video: OpenVideo) -> float:
    if video.stream.duration and video.stream.time_base:
        return float(video.stream.duration * video.stream.time_base)
    return (video.container.duration or 0) / 1_000_000  # in microseconds, sound included; 0 for a live source
