import json

import av
import numpy as np
import pytest
import torch
from transformers import AutoProcessor, AutoVideoProcessor

from lrcn_hub.data.videos import read_frames
from lrcn_hub.models import LrcnActivityConfig, LrcnActivityProcessor, LrcnVideoProcessor

PLAIN = {"size": {"height": 48, "width": 64}, "crop_size": {"height": 40, "width": 40}}


@pytest.fixture
def video(tmp_path):
    """Twenty frames, each of its own grey."""
    file = tmp_path / "grey.avi"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, width=64, height=48, pix_fmt="yuv420p")
        for number in range(20):
            frame = np.full((48, 64, 3), 12 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return str(file)


def test_frames_are_cut_from_the_middle_less_the_mean_in_bgr():
    frames = np.random.RandomState(0).randint(0, 256, (5, 240, 320, 3), dtype=np.uint8)
    batch = LrcnVideoProcessor()(frames, return_tensors="pt")
    expected = frames[:, 6:233, 46:273, ::-1] - np.array([103.939, 116.779, 128.68])  # sequence_input_layer.py
    assert batch["pixel_values"].shape == (1, 5, 3, 227, 227)
    assert np.allclose(batch["pixel_values"][0].permute(0, 2, 3, 1), expected, atol=1e-3)
    assert batch["frame_mask"].tolist() == [[True] * 5]


@pytest.mark.parametrize("order", ["rgb", "bgr"])
@pytest.mark.parametrize("planes", [False, True])
def test_values_are_scaled_and_shifted_channel_by_channel_however_pictures_lie_in_memory(order, planes):
    mean, std = (0.2, 0.5, 0.7), (0.3, 0.6, 1.5)
    options = {"channel_order": order, "rescale_factor": 1 / 255, "image_mean": mean, "image_std": std}
    frames = np.random.RandomState(2).randint(0, 256, (2, 48, 64, 3), dtype=np.uint8)
    pictures = torch.from_numpy(frames.copy()).permute(0, 3, 1, 2)
    pictures = pictures.contiguous() if planes else pictures
    found = LrcnVideoProcessor(**PLAIN, **options)(pictures, return_tensors="pt")["pixel_values"][0]
    expected = ((frames / 255 - mean) / std)[:, 4:44, 12:52, :: -1 if order == "bgr" else 1]
    assert np.allclose(found.permute(0, 2, 3, 1), expected, atol=1e-5) and found.dtype == torch.float32
    assert np.array_equal(pictures.permute(0, 2, 3, 1), frames)  # what was given is as it was


def test_clips_of_different_lengths_are_filled_up_and_masked():
    frames = [np.full((length, 48, 64, 3), 9, np.uint8) for length in (2, 4)]
    batch = LrcnVideoProcessor(**PLAIN)(frames, return_tensors="pt")
    assert batch["frame_mask"].tolist() == [[True, True, False, False], [True] * 4]
    assert torch.equal(batch["pixel_values"][0, 0], batch["pixel_values"][1, 3])
    assert not batch["pixel_values"][0, 2:].any()


@pytest.mark.parametrize(("num_frames", "first", "count"), [(6, 7, 6), (50, 0, 20)])
def test_of_a_file_the_frames_in_the_middle_are_taken(video, num_frames, first, count):
    processor = LrcnVideoProcessor(**PLAIN)
    found = processor(video, num_frames=num_frames, do_sample_frames=True, return_tensors="pt")
    frames = read_frames(video)[first : first + count]
    assert torch.equal(found["pixel_values"], processor(frames, return_tensors="pt")["pixel_values"])


def test_several_files_become_one_batch(video):
    processor = LrcnActivityProcessor(LrcnVideoProcessor(**PLAIN, num_frames=3), ["run"])
    assert processor([video, video])["pixel_values"].shape == (2, 3, 3, 40, 40)
    assert processor(video)["pixel_values"].shape == (1, 3, 3, 40, 40)


def test_what_is_no_video_is_refused_by_name(tmp_path):
    (tmp_path / "text.mp4").write_text("not a video")
    for file in ("text.mp4", "gone.mp4"):
        with pytest.raises(ValueError, match=rf"{file}: this video cannot be read"):
            LrcnVideoProcessor()(str(tmp_path / file), do_sample_frames=True)


def test_files_are_refused_where_flow_is_looked_at(video):
    processor = LrcnVideoProcessor(stream="flow")
    with pytest.raises(ValueError, match=r"grey\.avi: this model looks at optical flow"):
        processor(video)
    assert processor(np.zeros((2, 48, 64, 3), np.uint8), return_tensors="pt")["pixel_values"].shape[1] == 2


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"stream": "depth"}, "stream is 'depth'; it must be 'rgb' or 'flow'"),
        ({"channel_order": "gbr"}, "channel_order is 'gbr'"),
        ({"size": {"height": 10**9, "width": 3}}, "size.height is 1000000000"),
    ],
)
def test_values_without_sense_are_refused(values, complaint):
    with pytest.raises(ValueError, match=complaint):
        LrcnVideoProcessor(**values)


def test_processor_and_class_names_are_saved_and_loaded_by_the_auto_classes(tmp_path):
    LrcnActivityConfig(id2label={0: "run", 1: "jump"}).save_pretrained(tmp_path)
    saved = LrcnActivityProcessor(LrcnVideoProcessor(**PLAIN, stream="flow", num_frames=7), ["run", "jump"])
    saved.save_pretrained(tmp_path)
    loaded = AutoProcessor.from_pretrained(tmp_path)
    assert type(loaded) is LrcnActivityProcessor and loaded.class_names == ["run", "jump"]
    alone = AutoVideoProcessor.from_pretrained(tmp_path)
    assert type(alone) is LrcnVideoProcessor and alone.to_dict() == saved.video_processor.to_dict()
    assert (alone.stream, alone.num_frames, alone.crop_size.height) == ("flow", 7, 40)
    files = {file.name for file in tmp_path.glob("*.py")}
    assert {"video_processing_lrcn.py", "processing_activity_lrcn.py", "image_processing_lrcn.py"} <= files
    assert "auto_map" in json.loads((tmp_path / "processor_config.json").read_text())


def test_a_timm_network_brings_its_own_preprocessing():
    import timm

    processor = LrcnVideoProcessor.for_timm(timm.create_model("test_resnet"), 32)
    frames = np.random.RandomState(1).randint(0, 256, (2, 40, 50, 3), dtype=np.uint8)
    pixels = processor(frames, return_tensors="pt")["pixel_values"]
    assert pixels.shape == (1, 2, 3, 32, 32) and processor.channel_order == "rgb"
    assert -3 < pixels.min() < pixels.max() < 3
