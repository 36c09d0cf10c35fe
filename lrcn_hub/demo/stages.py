"""The stages of the demo: said when they begin, and timed."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)


@contextmanager
def stage(name: str, title: str, seconds: dict[str, float]) -> Iterator[None]:
    """Announce `title`, and note in `seconds` how long stage `name` took."""
    logger.info("\n== %s", title)
    began = time.monotonic()
    yield
    seconds[name] = time.monotonic() - began
