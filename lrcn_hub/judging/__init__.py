"""People judge captions: a rating sheet that hides who said what, and what filled sheets say together."""

from lrcn_hub.judging.agreement import kendalls_w, mid_ranks
from lrcn_hub.judging.key import Ballot, Key, read_key
from lrcn_hub.judging.lots import draw_lots
from lrcn_hub.judging.page import render_sheet
from lrcn_hub.judging.pictures import Pictures, pictures_in_file, pictures_in_folder, pictures_in_table
from lrcn_hub.judging.sheets import Sheet, read_sheets
from lrcn_hub.judging.systems import human_answers, read_answers
from lrcn_hub.judging.tally import Tally, tally

__all__ = [
    "Ballot",
    "Key",
    "Pictures",
    "Sheet",
    "Tally",
    "draw_lots",
    "human_answers",
    "kendalls_w",
    "mid_ranks",
    "pictures_in_file",
    "pictures_in_folder",
    "pictures_in_table",
    "read_answers",
    "read_key",
    "read_sheets",
    "render_sheet",
    "tally",
]
