import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lrcn_hub.data.videos.wholeness import missing_bytes


@pytest.mark.parametrize("name", ["video.avi", "video.mp4", "video.mov", "video.mkv", "video.webm"])
def test_every_byte_that_lacks_is_counted(make_video, name):
    path = make_video(name, 10, codec="libvpx" if name.endswith("webm") else "mpeg4")
    whole = path.read_bytes()
    assert missing_bytes(path) == 0
    last_box = 0 if not name.endswith(("mp4", "mov")) else whole.index(b"moov") - 4
    for left in (len(whole) - 1, max(last_box + 8, len(whole) * 2 // 3)):
        path.write_bytes(whole[:left])
        assert missing_bytes(path) == len(whole) - left
    path.write_bytes(whole + b"\0" * 5)
    assert missing_bytes(path) == 0


@pytest.mark.parametrize(
    ("data", "missing"),
    [
        (b"RIFF\xff\xff\xff\xffAVI ", 0),  # a recording that was never closed
        (b"RIFF\x08\0\0\0AVI 1234RIFF\x10\0\0\0AVIX5678", 8),  # a second part, cut
        (b"\0\0\0\x08ftyp\0\0\0\0mdat123", 0),  # size 0: to the end
        (b"\0\0\0\x08ftyp\0\0\0\x01mdat\0\0\0\0\0\0\0\x40", 48),  # a 64-bit size
        (b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\xff1234", 0),  # a live segment
        (b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x40\x10123", 13),
        (b"", 0),
        (b"a text of no format at all", 0),
    ],
)
def test_sizes_of_each_container_are_read(tmp_path, data, missing):
    (tmp_path / "file").write_bytes(data)
    assert missing_bytes(tmp_path / "file") == missing


HEADS = [b"RIFF", b"\0\0\0\x08ftyp", b"\x1a\x45\xdf\xa3", b""]


@given(st.sampled_from(HEADS), st.binary(max_size=80))
@example(b"\x1a\x45\xdf\xa3", b"\x01\x00\x00\x00\x00\x00\x00")  # a header of 2**48 bytes
@example(b"", b"\0\0\0\x01ftyp" + b"\x7f" + b"\xff" * 7)  # a box of 2**63 bytes
def test_any_bytes_are_survived(tmp_path_factory, head, data):
    path = tmp_path_factory.getbasetemp() / "bytes"
    path.write_bytes(head + data)
    assert missing_bytes(path) >= 0
