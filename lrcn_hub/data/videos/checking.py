"""Looking at every video before the work begins: an unreadable one is found now, not in the last hour of a run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tqdm import tqdm

from lrcn_hub.data.bad_samples import BadSample, OnBadSample, report_bad_samples
from lrcn_hub.data.videos.faults import UnreadableVideoError
from lrcn_hub.data.videos.information import probe
from lrcn_hub.data.videos.pyav import VideoSource, open_video, refuse_cut_short


def check_videos(
    paths: Sequence[VideoSource], on_bad_sample: OnBadSample = "refuse", *, every_frame: bool = False
) -> tuple[list[bool], list[BadSample]]:
    """Open every video; return which are good, one answer for each, and what is wrong with the others.

    A good one is whole and shows its first frame; with `every_frame` all frames are decoded, which alone finds damage
    in the middle. With ``"refuse"`` a ValueError names the bad ones.
    """
    faults = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            verdicts = pool.map(lambda path: _fault(path, every_frame), paths)
            for fault in tqdm(verdicts, total=len(paths), desc="Checking videos", unit="video"):
                faults.append(fault)
        except BaseException:
            pool.shutdown(cancel_futures=True)  # an interrupt must not wait for the videos not yet begun
            raise
    bad = [BadSample(os.fspath(path), fault) for path, fault in zip(paths, faults, strict=True) if fault is not None]
    report_bad_samples(bad, len(faults), on_bad_sample, kind="videos")
    return [fault is None for fault in faults], bad


def _fault(path: VideoSource, every_frame: bool) -> str | None:
    try:
        refuse_cut_short(path)
        probe(path)
        if every_frame:
            with open_video(path) as video:
                for _ in video.decoded():
                    pass
    except UnreadableVideoError as error:
        return error.reason
    return None
