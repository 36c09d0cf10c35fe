"""The built-in data: seeded little scenes of shapes, their pictures, what people might say, and whether it is true."""

from lrcn_hub.data.moving_shapes.captions import describe, human_caption, oracle_caption
from lrcn_hub.data.moving_shapes.checker import CaptionCheck, check_caption, check_captions
from lrcn_hub.data.moving_shapes.drawing import draw_scene
from lrcn_hub.data.moving_shapes.scenes import Scene, SceneObject, random_scene
from lrcn_hub.data.moving_shapes.tables import load_captioning_tables

__all__ = [
    "CaptionCheck",
    "Scene",
    "SceneObject",
    "check_caption",
    "check_captions",
    "describe",
    "draw_scene",
    "human_caption",
    "load_captioning_tables",
    "oracle_caption",
    "random_scene",
]
