"""Keys go to a file and back, and a changed one is noticed."""

import json

import pytest

from lrcn_hub.judging import read_key


def test_a_key_comes_back_as_it_was(key, saved):
    assert read_key(saved("key.json", key.text())) == key


def test_a_key_that_was_changed_is_refused(key, saved):
    content = json.loads(key.text())
    content["ballots"][0]["systems"].reverse()
    with pytest.raises(ValueError, match=r"key\.json: the key was changed since it was written"):
        read_key(saved("key.json", content))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("{", "key.json: not JSON"),
        ("[]", "not the key of a rating sheet"),
        ('{"form": "lrcn-judge-sheet"}', "not the key of a rating sheet"),
        ('{"form": "lrcn-judge-key", "version": 9}', "a key of version 9"),
        ('{"form": "lrcn-judge-key", "version": 1}', "not a whole key: 'ballots'"),
        ('{"form": "lrcn-judge-key", "version": 1, "ballots": [{"name": 1}]}', "not a whole key"),
    ],
)
def test_what_is_no_key_is_refused(content, fault, saved):
    with pytest.raises(ValueError, match=fault):
        read_key(saved("key.json", content))
