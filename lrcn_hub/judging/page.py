"""The rating sheet: one HTML file that needs nothing beside it, no network and no server."""

from __future__ import annotations

import importlib.resources
import json

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from tqdm import tqdm

from lrcn_hub.judging import sheets
from lrcn_hub.judging.key import CRITERIA, Key
from lrcn_hub.judging.pictures import Pictures


def render_sheet(key: Key, pictures: Pictures, title: str) -> str:
    """Make the page that raters open; it holds captions and pictures of the key's ballots, and no system's name.

    Raises ValueError for a picture that is missing or cannot be read.
    """
    ballots = [
        {"id": ballot.id, "captions": ballot.captions, "picture": pictures.data_url(ballot.id)}
        for ballot in tqdm(key.ballots, desc="embedding pictures", unit="picture", leave=False, disable=None)
    ]
    sheet = {"form": sheets.FORM, "version": sheets.VERSION, "id": key.id, "criteria": CRITERIA, "ballots": ballots}
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, loader=FunctionLoader(_part)
    )
    template = environment.get_template("sheet.html.jinja")
    return template.render(title=title, sheet=_in_script(sheet), pictures=len(ballots))


def _in_script(content: object) -> Markup:
    """Write JSON that a script element can hold: without ``<``, no caption can end the element."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def _part(name: str) -> str:
    return importlib.resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
