"""The queue between a reader and the model: order, dropping, waiting, and errors handed over."""

import threading

import numpy as np
import pytest

from lrcn_hub.streaming.connections import Happening, Picture
from lrcn_hub.streaming.waiting import FrameQueue, start_reading


def picture(number):
    return Picture(np.zeros((1, 1, 3), np.uint8), float(number), 0.0)


def queue(size, drops=False):
    return FrameQueue(size, drops=drops, arrival=threading.Condition())


def numbers(pictures):
    return [picture.time for picture in pictures]


def test_frames_come_out_in_order_with_what_happened_between_them():
    waiting, broken = queue(9), Happening("broken")
    for item in (picture(0), picture(1), broken, picture(2)):
        assert waiting.put(item)
    assert waiting.ready
    assert numbers(waiting.take(1)) == [0]
    assert numbers(waiting.take(5)) == [1]
    assert waiting.take(5) is broken
    assert numbers(waiting.take(5)) == [2]
    assert waiting.take(5) is None and not waiting.ready


def test_a_full_queue_that_drops_forgets_the_oldest_frames_but_no_happening():
    waiting, broken = queue(3, drops=True), Happening("broken")
    for item in (picture(0), broken, *map(picture, range(1, 6))):
        waiting.put(item)
    assert waiting.dropped == 3
    assert waiting.take(9) is broken
    assert numbers(waiting.take(9)) == [3, 4, 5]


def test_a_full_queue_that_does_not_drop_lets_the_reader_wait():
    waiting = queue(2)
    reader = start_reading(waiting, map(picture, range(50)), "reader")
    seen = []
    while len(seen) < 50:
        taken = waiting.take(3)
        assert taken is None or len(taken) <= 2
        seen += numbers(taken or [])
    reader.join()
    assert seen == list(range(50)) and waiting.dropped == 0


def test_closing_lets_a_waiting_reader_go():
    waiting = queue(1)
    reader = start_reading(waiting, map(picture, range(50)), "reader")
    waiting.close()
    reader.join(20)
    assert not reader.is_alive()


def test_what_stops_a_reader_is_raised_after_all_that_it_read():
    def items():
        yield picture(0)
        raise ZeroDivisionError("while reading")

    waiting = queue(5)
    start_reading(waiting, items(), "reader").join()
    assert numbers(waiting.take(5)) == [0]
    assert waiting.ready
    with pytest.raises(ZeroDivisionError, match="while reading"):
        waiting.take(5)
