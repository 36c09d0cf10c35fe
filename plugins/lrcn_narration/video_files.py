"""Finding the file of a video that annotations name, whatever its ending and in whatever folder of many it lies."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lrcn_hub.data.annotation_files import file_in

if TYPE_CHECKING:
    from lrcn_narration.options import NarrationDataOptions

ENDINGS = (
    *(".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg"),
    *(".ts", ".wmv", ".flv", ".3gp", ".ogv", ".asf", ".mts", ".vob"),
)
"""Of video files, in lower case."""


class VideoFiles:
    """The videos below a folder, by name; none are looked for without a folder."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._by_name: dict[str, list[Path]] = {}
        for place, folders, names in os.walk(folder) if folder else ():
            folders.sort()
            for name in sorted(names):
                if name.lower().endswith(ENDINGS):
                    for known_as in (name, without_ending(name)):
                        self._by_name.setdefault(known_as, []).append(Path(place, name))

    @classmethod
    def beside(cls, file: Path, options: NarrationDataOptions) -> VideoFiles:
        """Look in ``video_folder``, else beside `file`; nowhere for those who read nodes alone."""
        if options.video_folder:
            if not Path(options.video_folder).is_dir():
                raise FileNotFoundError(f"{options.video_folder}: there is no such folder; it is to hold the videos")
            return cls(Path(options.video_folder))
        return cls(None if options.node_file else file.parent)

    def find(self, name: str) -> Path | None:
        """Find the file called `name`, else one that has another ending or that `name` has none of.

        Raises ValueError that names them where there are several.
        """
        for known_as in (name, without_ending(name)):
            files = self._by_name.get(known_as, [])
            if len(files) > 1:
                raise ValueError(f"video {name} is there {len(files)} times: {_listed(files)}; keep one of them")
            if files:
                return files[0]
        return None

    def path(self, name: str, source: str) -> Path | None:
        """Give the file of a video that `source` names, or where it should be; none without a folder."""
        if self.folder is None:
            return None
        return self.find(name) or file_in(self.folder, name, source=source, kind="videos")


def without_ending(name: str) -> str:
    """Take off the ending of a video file; other dots belong to the name."""
    stem, ending = os.path.splitext(name)
    return stem if ending.lower() in ENDINGS else name


def _listed(files: Sequence[Path]) -> str:
    return ", ".join(map(str, files[:3])) + (", ..." if len(files) > 3 else "")
