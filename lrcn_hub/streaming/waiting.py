"""Frames that were read but not yet watched, and what becomes of them when the model is slower than the source."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Literal

from lrcn_hub.streaming.connections import Happening, Picture

Policy = Literal["drop", "batch", "wait"]


class FrameQueue:
    """At most `size` waiting frames of one source, and what happened between them, in order.

    When it is full, `put` forgets the oldest frame and counts it in `dropped` (with `drops`), or blocks until there is
    room. `arrival` is notified of every change; several queues may share it.
    """

    def __init__(self, size: int, *, drops: bool, arrival: threading.Condition):
        self.size, self.drops, self.dropped = size, drops, 0
        self.last_arrival = time.monotonic()
        self._arrival, self._items, self._frames = arrival, deque[Picture | Happening](), 0
        self._open = True
        self._failure: Exception | None = None

    def put(self, item: Picture | Happening) -> bool:
        """Let one more wait; gives False when the queue was closed, and nobody will take it."""
        is_frame = isinstance(item, Picture)
        with self._arrival:
            if is_frame and self.drops and self._frames >= self.size:
                self._drop_oldest()
            self._arrival.wait_for(lambda: not self._open or not is_frame or self._frames < self.size)
            self._items.append(item)
            self._frames += is_frame
            self.last_arrival = time.monotonic()
            self._arrival.notify_all()
            return self._open

    def _drop_oldest(self) -> None:
        oldest = next(i for i, item in enumerate(self._items) if isinstance(item, Picture))
        del self._items[oldest]
        self._frames -= 1
        self.dropped += 1

    @property
    def ready(self) -> bool:
        """Whether `take` has something to give, or to raise."""
        return bool(self._items) or self._failure is not None

    def take(self, most: int) -> list[Picture] | Happening | None:
        """Take the next happening, or up to `most` frames that wait before it; nothing where nothing waits.

        Raises what stopped the reader, once all before it has been taken.
        """
        with self._arrival:
            taken: list[Picture] = []
            while self._items and len(taken) < most:
                item = self._items[0]
                if isinstance(item, Happening):
                    if taken:
                        break
                    self._items.popleft()
                    return item
                taken.append(item)
                self._items.popleft()
                self._frames -= 1
            if not taken and self._failure is not None:
                raise self._failure
            self._arrival.notify_all()
            return taken or None

    def fail(self, error: Exception) -> None:
        """Hand the reader's error over."""
        with self._arrival:
            self._failure = error
            self._arrival.notify_all()

    def close(self) -> None:
        """Let no reader wait any longer."""
        with self._arrival:
            self._open = False
            self._arrival.notify_all()


def start_reading(queue: FrameQueue, items: Iterable[Picture | Happening], name: str) -> threading.Thread:
    """Put `items` into `queue` in a thread of their own.

    The process may end before it: a read from a pipe or a camera cannot be interrupted.
    """

    def read() -> None:
        try:
            for item in items:
                if not queue.put(item):
                    return
        except Exception as error:
            queue.fail(error)

    thread = threading.Thread(target=read, name=name, daemon=True)
    thread.start()
    return thread
