"""The built-in data: seeded scenes of shapes, as pictures with what people might say of them, and in motion."""

from lrcn_hub.data.moving_shapes.actions import ACTIONS, random_action
from lrcn_hub.data.moving_shapes.activity_tables import draw_example, load_activity_tables
from lrcn_hub.data.moving_shapes.captions import describe, human_caption, oracle_caption
from lrcn_hub.data.moving_shapes.checker import CaptionCheck, check_caption, check_captions
from lrcn_hub.data.moving_shapes.drawing import draw_scene
from lrcn_hub.data.moving_shapes.scenes import Scene, SceneObject, random_scene
from lrcn_hub.data.moving_shapes.tables import load_captioning_tables
from lrcn_hub.data.moving_shapes.videos import draw_action, write_video

__all__ = [
    "ACTIONS",
    "CaptionCheck",
    "Scene",
    "SceneObject",
    "check_caption",
    "check_captions",
    "describe",
    "draw_action",
    "draw_example",
    "draw_scene",
    "human_caption",
    "load_activity_tables",
    "load_captioning_tables",
    "oracle_caption",
    "random_action",
    "random_scene",
    "write_video",
]
