"""Watching live video: sources that break and come back, what to do when behind, events and the terminal view."""

from lrcn_hub.streaming.connections import ConnectionRules
from lrcn_hub.streaming.events import EventRules, Events, LiveEvents, NarrationEvents, Row, line_writer
from lrcn_hub.streaming.sources import Source
from lrcn_hub.streaming.subtitling import LiveSubtitles
from lrcn_hub.streaming.view import LiveView, NarrationView, TerminalView
from lrcn_hub.streaming.waiting import Policy
from lrcn_hub.streaming.watching import LiveSession, Watcher, WatchRules, load_state

__all__ = [
    "ConnectionRules",
    "EventRules",
    "Events",
    "LiveEvents",
    "LiveSession",
    "LiveSubtitles",
    "LiveView",
    "NarrationEvents",
    "NarrationView",
    "Policy",
    "Row",
    "Source",
    "TerminalView",
    "WatchRules",
    "Watcher",
    "line_writer",
    "load_state",
]
