"""What can be wrong with a video file."""

import av


class UnreadableVideoError(ValueError):
    """A video that is missing, empty, cut short, damaged, or has no frames; the message names it and says why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[str, str]]:  # so that it crosses from a data-loading process
        return type(self), (self.name, self.reason)


def opening_fault(error: Exception) -> str:
    """Say in a few words why a file could not be opened as a video."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, av.error.EOFError):
        return "it ends before its first frame"
    if isinstance(error, av.error.InvalidDataError):
        return "it is not a video, or its beginning is damaged"
    return getattr(error, "strerror", None) or str(error)
