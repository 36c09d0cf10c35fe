"""The built-in data: seeded scenes of shapes, as pictures with what people might say of them, and in motion."""

from lrcn_hub.data.moving_shapes.actions import ACTIONS, random_action
from lrcn_hub.data.moving_shapes.activity_tables import draw_example, load_activity_tables
from lrcn_hub.data.moving_shapes.captions import describe, human_caption, oracle_caption
from lrcn_hub.data.moving_shapes.checker import CaptionCheck, check_caption, check_captions
from lrcn_hub.data.moving_shapes.drawing import draw_scene
from lrcn_hub.data.moving_shapes.events import NARRATION_NODES as NARRATION_NODES
from lrcn_hub.data.moving_shapes.events import Event, event_odds, random_events
from lrcn_hub.data.moving_shapes.narration_checker import (
    NarrationCheck,
    check_narration,
    check_narrations,
    read_events,
)
from lrcn_hub.data.moving_shapes.narration_sentences import describe_event, describe_events, oracle_sentence
from lrcn_hub.data.moving_shapes.narration_tables import draw_narrated, load_narration_tables
from lrcn_hub.data.moving_shapes.node_noise import node_quality, noisy_nodes
from lrcn_hub.data.moving_shapes.scenes import Scene, SceneObject, random_scene
from lrcn_hub.data.moving_shapes.tables import load_captioning_tables
from lrcn_hub.data.moving_shapes.videos import draw_action, write_video

__all__ = [
    "ACTIONS",
    "CaptionCheck",
    "Event",
    "NarrationCheck",
    "Scene",
    "SceneObject",
    "check_caption",
    "check_captions",
    "check_narration",
    "check_narrations",
    "describe",
    "describe_event",
    "describe_events",
    "draw_action",
    "draw_example",
    "draw_narrated",
    "draw_scene",
    "event_odds",
    "human_caption",
    "load_activity_tables",
    "load_captioning_tables",
    "load_narration_tables",
    "node_quality",
    "noisy_nodes",
    "oracle_caption",
    "oracle_sentence",
    "random_action",
    "random_events",
    "random_scene",
    "read_events",
    "write_video",
]
