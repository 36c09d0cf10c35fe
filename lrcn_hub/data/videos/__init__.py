"""Video files as frames: upright uint8 RGB in presentation order, the same from each decoder, or an error by name."""

from lrcn_hub.data.videos.checking import check_videos
from lrcn_hub.data.videos.faults import UnreadableVideoError
from lrcn_hub.data.videos.frames import Backend, frame_times, iterate_frames, read_frames
from lrcn_hub.data.videos.information import VideoInfo, probe
from lrcn_hub.data.videos.segments import Segment, check_segment, read_segment
from lrcn_hub.data.videos.torchcodec import torchcodec_loads

__all__ = [
    "Backend",
    "Segment",
    "UnreadableVideoError",
    "VideoInfo",
    "check_segment",
    "check_videos",
    "frame_times",
    "iterate_frames",
    "probe",
    "read_frames",
    "read_segment",
    "torchcodec_loads",
]
