"""The sheet as a file: whole in itself, and safe whatever captions say. `test_page_in_a_browser` uses it."""

import json
import re

import pytest

from lrcn_hub.judging import Key, render_sheet
from lrcn_hub.judging.key import CRITERIA


def content(page):
    return json.loads(re.search(r'<script type="application/json" id="sheet">(.*?)</script>', page, re.DOTALL)[1])


def test_the_page_holds_the_ballots_in_order_and_no_system(key, photos):
    page = render_sheet(key, photos, "Which?")
    sheet = content(page)
    assert [(ballot["id"], ballot["captions"]) for ballot in sheet["ballots"]] == [
        (b.id, b.captions) for b in key.ballots
    ]
    assert [ballot["picture"] for ballot in sheet["ballots"]] == [photos.data_url(b.id) for b in key.ballots]
    assert (sheet["id"], sheet["criteria"]) == (key.id, list(CRITERIA))
    assert not any(name in page for name in ("ours", "theirs", "human"))


def test_the_page_asks_for_nothing_from_outside(key, photos):
    page = re.sub(r"data:[\w/;]+base64,[\w+/=]+", "", render_sheet(key, photos, "Which?"))
    assert not re.search(r"https?:|//[a-z]|<link|@import|url\(|\bsrc=", page)
    assert "default-src 'none'" in page


def test_a_title_is_text(key, photos):
    page = render_sheet(key, photos, "<script>alert(1)</script>")
    assert "<script>alert" not in page


def test_a_picture_that_is_not_there_is_named(key, photos):
    stranger = Key(key.systems, 0, [type(key.ballots[0])("stranger", ["a", "b"], [["ours"], ["human"]])], [])
    with pytest.raises(ValueError, match="no picture with the id 'stranger'"):
        render_sheet(stranger, photos, "Which?")
