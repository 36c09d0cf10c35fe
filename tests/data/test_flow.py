import math
import os
import zipfile
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrcn_hub.data.clips import mirror
from lrcn_hub.data.flow import (
    FlowOptions,
    encode_flow,
    flow_field,
    flow_file,
    flow_images,
    flow_of_video,
    prepare_flow,
)
from lrcn_hub.data.videos import UnreadableVideoError, read_frames

SHARED = Path(__file__).parents[2] / "../shared/data/videos"


def moving_texture(dx, dy, frames=2, height=64, width=80):
    """Frames of a smooth random texture that moves by (dx, dy) pixels from one to the next."""
    noise = np.random.default_rng(0).integers(0, 256, (height + 80, width + 80, 3), dtype=np.uint8)
    texture = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    tops, lefts = 40 - dy * np.arange(frames), 40 - dx * np.arange(frames)
    return np.stack([texture[t : t + height, x : x + width] for t, x in zip(tops, lefts, strict=True)])


def write_video(path, frames):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, width=frames.shape[2], height=frames.shape[1])
        stream.pix_fmt, stream.options = "yuv420p", {"qscale": "2", "flags": "qscale"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "right.avi", moving_texture(3, 0, frames=5))


@pytest.mark.parametrize(("dx", "dy"), [(3, 0), (-3, 0), (0, 2), (0, -2), (4, -3)])
def test_flow_points_where_the_picture_moves_x_to_the_right_and_y_downwards(dx, dy):
    field = flow_field(*moving_texture(dx, dy))
    assert field.shape == (64, 80, 2) and field.dtype == np.float32
    np.testing.assert_allclose(np.median(field[10:-10, 10:-10], (0, 1)), [dx, dy], atol=0.2)


def authors_value(value):
    """One value of ``create_flow_images_LRCN.m``; Matlab's uint8 rounds halves away from zero."""
    scaled = min(max(value * 16 + 128, 0), 255)
    return math.floor(scaled + 0.5)


@given(st.lists(st.tuples(*[st.floats(-12, 12, width=32)] * 2), min_size=1, max_size=20))
def test_the_flow_image_is_the_authors_encoding(vectors):
    image = encode_flow(np.array(vectors, np.float32)[None])
    for pixel, (x, y) in zip(image[0].tolist(), vectors, strict=True):
        assert pixel == [authors_value(x), authors_value(y), authors_value(math.sqrt(x * x + y * y))]


@pytest.mark.parametrize(
    ("x", "y", "pixel"),
    [
        (0, 0, [128, 128, 128]),
        (1, -1, [144, 112, 151]),
        (7.96875, -8, [255, 0, 255]),
        (0.03125, -0.03125, [129, 128, 129]),  # 128.5 and 127.5: halves go away from zero
        (100, -100, [255, 0, 255]),
        (math.nan, 0, [0, 128, 0]),
    ],
)
def test_single_values_of_the_encoding(x, y, pixel):
    assert encode_flow(np.array([[[x, y]]], np.float32)).tolist() == [[pixel]]


def test_mirroring_flow_images_is_mirroring_the_video_but_for_one_grey_level():
    frames = moving_texture(3, 1)
    turned = frames[:, :, ::-1]
    (image,), (image_of_turned,) = flow_images(frames), flow_images(turned)
    difference = mirror(image, flow=True).astype(int)[10:-10, 10:-10] - image_of_turned[10:-10, 10:-10]
    assert np.abs(np.median(difference, (0, 1))).max() <= 3  # and DIS is not quite symmetrical
    assert np.median(image[..., 0]) > 128 + 40 and np.median(image_of_turned[..., 0]) < 128 - 40
    negated = encode_flow(-np.array([[[2.5, 0]]]))[0, 0, 0]
    assert negated == 88 and 255 - encode_flow(np.array([[[2.5, 0]]]))[0, 0, 0] == 87  # the authors' 255 - x


def test_n_frames_give_n_minus_1_images_called_after_the_second(video, tmp_path):
    file = flow_file(video, tmp_path / "cache")
    assert zipfile.ZipFile(file).namelist() == ["0002.png", "0003.png", "0004.png", "0005.png"]
    images = flow_of_video(video, tmp_path / "cache")
    assert images.shape == (4, 64, 80, 3) and images.dtype == np.uint8
    np.testing.assert_array_equal(images, np.stack(list(flow_images(read_frames(video)))))
    assert np.median(images[..., 0]) > 128 + 40 and abs(np.median(images[..., 1]) - 128) < 8
    np.testing.assert_array_equal(flow_of_video(video, tmp_path / "cache", [3, 0, 3]), images[[3, 0, 3]])
    with pytest.raises(ValueError, match="flow image 4 asked for; there are 4"):
        flow_of_video(video, tmp_path / "cache", [4])


def test_flow_is_computed_once_and_again_when_video_or_options_change(video, tmp_path):
    cache = tmp_path / "cache"
    file = flow_file(video, cache)
    written = file.stat().st_mtime_ns
    assert flow_file(video, cache) == file and file.stat().st_mtime_ns == written
    small = flow_file(video, cache, FlowOptions(size=(32, 40)))
    assert small != file and flow_of_video(video, cache, options=FlowOptions(size=(32, 40))).shape == (4, 32, 40, 3)
    os.utime(video, ns=(0, 0))
    assert flow_file(video, cache) not in (file, small)


def test_jpeg_images_are_smaller_and_nearly_equal(video, tmp_path):
    exact, lossy = (flow_of_video(video, tmp_path, options=FlowOptions(image_format=kind)) for kind in ("png", "jpg"))
    assert np.abs(exact.astype(int) - lossy).mean() < 5
    with pytest.raises(ValueError, match="image_format='gif': choose png or jpg"):
        FlowOptions(image_format="gif")
    with pytest.raises(ValueError, match="preset='slow'"):
        FlowOptions(preset="slow")


def test_flow_of_one_frame_or_of_a_file_cut_short_leaves_nothing_behind(video, tmp_path):
    cache = tmp_path / "cache"
    alone = write_video(tmp_path / "alone.avi", moving_texture(0, 0, frames=1))
    with pytest.raises(UnreadableVideoError, match=r"alone\.avi: flow needs at least two frames"):
        flow_file(alone, cache)
    video.write_bytes(video.read_bytes()[:-1000])
    with pytest.raises(UnreadableVideoError, match="cut short"):
        flow_file(video, cache)
    with pytest.raises(UnreadableVideoError, match=r"missing\.avi: No such file"):
        flow_file(tmp_path / "missing.avi", cache)
    assert not cache.exists() or not list(cache.iterdir())


def test_an_interrupted_video_leaves_nothing_and_the_next_run_goes_on(video, tmp_path, monkeypatch):
    def interrupted(frames, preset):
        yield next(flow_images(frames, preset))
        raise KeyboardInterrupt

    done = flow_file(write_video(tmp_path / "done.avi", moving_texture(1, 0, frames=3)), tmp_path / "cache")
    written = done.stat().st_mtime_ns
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("lrcn_hub.data.flow.flow_images", interrupted)
        prepare_flow([tmp_path / "done.avi", video], tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == [done]
    assert prepare_flow([tmp_path / "done.avi", video], tmp_path / "cache") == []
    assert len(list((tmp_path / "cache").iterdir())) == 2 and done.stat().st_mtime_ns == written


@pytest.mark.parametrize("workers", [1, 3])
def test_bad_videos_are_refused_by_name_or_counted_after_the_good_ones_are_done(video, tmp_path, workers):
    empty = tmp_path / "empty.avi"
    empty.touch()
    paths, cache = [empty, video, video, tmp_path / "gone.avi"], tmp_path / "cache"
    with pytest.raises(ValueError, match=r"(?s)2 of 4 videos cannot be used.*empty\.avi: the file is empty"):
        prepare_flow(paths, cache, workers=workers)
    assert [file.name for file in cache.iterdir()] == [flow_file(video, cache).name]
    bad = prepare_flow(paths, cache, workers=workers, on_bad_sample="skip")
    assert [sample.name for sample in bad] == [str(empty), str(tmp_path / "gone.avi")]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real videos are not beside the checkout")
@pytest.mark.parametrize(("frame", "right", "down"), [(64, 1, -1), (0, -1, 0), (12, 1, 0), (56, -1, 1)])
def test_a_real_unsteady_camera_gives_the_motion_that_phase_correlation_finds(frame, right, down):
    pair = read_frames(SHARED / "msvd_klteYv1Uv9A_27_33.avi", [frame, frame + 1], size=(120, 160))
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) for image in pair]
    expected, _ = cv2.phaseCorrelate(*grey, cv2.createHanningWindow((160, 120), cv2.CV_32F))
    x, y = np.median(flow_field(*pair), (0, 1))
    assert np.abs(np.subtract((x, y), expected)).max() < 0.5
    assert x * right > 3 and (y * down > 2 or not down)
    (image,) = flow_images(pair)
    assert (np.median(image[..., 0]) - 128) * right > 48
