import pickle

import av
import numpy as np
import pytest

from lrcn_hub.data.videos import UnreadableVideoError, frame_times, iterate_frames, read_frames, torchcodec_loads

B_FRAMES = {"bf": "3", "g": "6"}
KINDS = [
    ("a.avi", "mpeg4", {}),
    ("b.avi", "mpeg4", B_FRAMES),
    ("c.avi", "mjpeg", {}),
    ("d.mp4", "mpeg4", B_FRAMES),
    ("e.mp4", "libx264", B_FRAMES),
    ("f.mkv", "libx264", {}),
    ("g.mov", "mjpeg", {}),
    ("h.webm", "libvpx", {}),
    ("i.mkv", "ffv1", {}),
    ("j.ts", "mpeg2video", {}),
    ("ünd: so %d.mp4", "mpeg4", {}),
]


def make(make_video, kind, **more):
    name, codec, options = kind
    try:
        av.Codec(codec, "w")
    except ValueError:
        pytest.skip(f"PyAV here has no encoder {codec}")
    return make_video(name, codec=codec, options=options, **more)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind[0]}-{kind[1]}")
def test_frames_come_in_the_order_they_were_shown_whatever_the_container(make_video, numbers, kind):
    path = make(make_video, kind, frames=15)
    assert numbers(read_frames(path)) == list(range(15))
    assert numbers(np.stack([frame for frame, _ in iterate_frames(path)])) == list(range(15))
    times = [time for _, time in iterate_frames(path)]
    np.testing.assert_allclose(times, np.arange(15) / 25, atol=0.0011)  # Matroska counts milliseconds
    np.testing.assert_array_equal(frame_times(path), times)


@pytest.mark.parametrize("backend", ["auto", "pyav"])
def test_frames_are_given_by_index_in_the_order_and_as_often_as_asked(make_video, numbers, backend):
    path = make_video("video.mp4", 15, options=B_FRAMES)
    frames = read_frames(path, [9, 2, 2, 14], backend=backend)
    assert frames.dtype == np.uint8 and frames.shape == (4, 48, 64, 3)
    assert numbers(frames) == [9, 2, 2, 14]
    np.testing.assert_array_equal(frames, read_frames(path)[[9, 2, 2, 14]])


@pytest.mark.parametrize("indices", [[3, 10], [-1], []])
@pytest.mark.parametrize("backend", ["auto", "pyav"])
def test_a_frame_that_does_not_exist_is_refused(make_video, indices, backend):
    path = make_video("video.mp4", 10)
    with pytest.raises(ValueError, match=r"video\.mp4: no such frame"):
        read_frames(path, indices, backend=backend)


@pytest.mark.parametrize(("rotation", "turns"), [(90, 1), (180, 2), (270, 3)])
@pytest.mark.parametrize("backend", ["auto", "pyav"])
def test_rotation_metadata_is_applied(make_video, rotation, turns, backend):
    upright = read_frames(make_video("plain.mov", 3))
    turned = read_frames(make_video("turned.mov", 3, rotation=rotation), backend=backend)
    np.testing.assert_array_equal(turned, np.rot90(upright, turns, axes=(1, 2)))


def test_frames_of_a_variable_rate_keep_their_times(make_video, numbers):
    stamps = [0, 40, 140, 150, 400, 420]
    path = make_video("video.mkv", 6, stamps=stamps)
    np.testing.assert_allclose(frame_times(path), np.array(stamps) / 1000)
    assert numbers(read_frames(path)) == list(range(6))


def test_frames_are_scaled_to_a_size(make_video, numbers):
    path = make_video("video.avi", 4)
    assert read_frames(path, size=(20, 30)).shape == (4, 20, 30, 3)
    assert numbers(read_frames(path, size=(100, 90))) == [0, 1, 2, 3]
    assert next(iterate_frames(path, size=(20, 30)))[0].shape == (20, 30, 3)


def test_colours_are_rgb(make_video):
    red = np.zeros((1, 48, 64, 3), np.uint8)
    red[..., 0] = 255
    frame = read_frames(make_video("red.mkv", 1, codec="ffv1", rgb=red))[0]
    assert np.abs(frame[24, 32].astype(int) - [255, 0, 0]).max() < 4


def test_one_frame_is_enough(make_video):
    assert read_frames(make_video("video.avi", 1)).shape == (1, 48, 64, 3)


@pytest.mark.parametrize("name", ["video.avi", "video.mkv", "faststart.mp4"])
def test_a_video_cut_short_is_refused_with_the_number_of_frames_left(make_video, numbers, name):
    faststart = {"movflags": "faststart"}
    path = make_video(name, 20, codec="mjpeg", size=(120, 160))
    if name.endswith("mp4"):  # the index must stand before the frames
        with av.open(str(path)) as source, av.open(str(path) + ".mp4", "w", options=faststart) as target:
            stream = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    target.mux(packet)
        path = path.with_name(path.name + ".mp4")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    with pytest.raises(UnreadableVideoError, match=r"cut short.*\d+ frames can be read") as caught:
        read_frames(path, [0])
    left = read_frames(path, partial=True)
    assert 5 <= len(left) < 20
    assert f" {len(left)} frames" in caught.value.reason
    assert numbers(left[:-1]) == list(range(len(left) - 1))  # the cut may go through the last one


@pytest.mark.parametrize("backend", ["auto", "pyav"])
def test_a_damaged_video_is_refused_or_read_up_to_the_damage(damaged_video, numbers, backend):
    with pytest.raises(UnreadableVideoError, match=r"damaged\.mp4: damaged; 10 frames could be read"):
        read_frames(damaged_video, backend=backend)
    assert numbers(read_frames(damaged_video, partial=True, backend=backend)) == list(range(10))
    assert numbers(read_frames(damaged_video, [9, 0], backend=backend)) == [9, 0]
    frames = iterate_frames(damaged_video)
    assert len([next(frames) for _ in range(10)]) == 10
    with pytest.raises(UnreadableVideoError, match="damaged; 10 frames"):
        next(frames)


def test_what_is_no_video_is_refused_with_the_reason(tmp_path):
    (tmp_path / "text.mp4").write_text("a cat sits on a mat\n" * 20)
    (tmp_path / "empty.avi").touch()
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.sample_rate = 8000
        container.mux(stream.encode(silence))
        container.mux(stream.encode(None))
    reasons = {
        "text.mp4": "not a video",
        "empty.avi": "the file is empty",
        "sound.mp4": "no video stream",
        "missing.mp4": "no such file",
        ".": "directory",
    }
    for name, reason in reasons.items():
        for read in (read_frames, frame_times, lambda path: next(iterate_frames(path))):
            with pytest.raises(UnreadableVideoError, match=reason) as caught:
                read(tmp_path / name)
            assert str(tmp_path) in caught.value.name


def test_the_first_video_stream_is_read(tmp_path):
    with av.open(str(tmp_path / "two.mkv"), "w") as container:
        streams = [
            container.add_stream("mpeg4", rate=25, width=width, height=48, pix_fmt="yuv420p") for width in (64, 640)
        ]
        for stream in streams:
            picture = np.zeros((stream.height, stream.width, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode(None))
    assert read_frames(tmp_path / "two.mkv").shape == (1, 48, 64, 3)


def test_an_unknown_backend_is_refused(make_video):
    with pytest.raises(ValueError, match="backend='decord': choose auto, torchcodec or pyav"):
        read_frames(make_video("video.mp4", 2), backend="decord")


def test_torchcodec_is_not_let_near_an_avi_file(make_video):
    with pytest.raises(ValueError, match="choose pyav"):
        read_frames(make_video("video.avi", 2), backend="torchcodec")


@pytest.mark.skipif(torchcodec_loads(), reason="torchcodec loads here")
def test_torchcodec_asked_for_where_it_does_not_load_is_refused(make_video):
    with pytest.raises(ValueError, match="does not load here: install"):
        read_frames(make_video("video.mp4", 2), backend="torchcodec")


def test_an_error_crosses_between_processes():
    error = pickle.loads(pickle.dumps(UnreadableVideoError("a.mp4", "cut short")))
    assert str(error) == "a.mp4: cut short"
