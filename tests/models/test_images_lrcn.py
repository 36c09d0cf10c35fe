import io
import pickle
import threading
import warnings
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from lrcn_hub.models.images_lrcn import MAX_PIXELS, UnreadableImageError, open_image

ODD = Path(__file__).parents[3] / "shared/data/images_odd"
RED, WHITE = (255, 0, 0), (255, 255, 255)
ORIENTATION = 0x0112  # the EXIF tag


def saved(image, format="PNG", **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def row(mode, *values):
    """One line of pixels."""
    image = Image.new(mode, (len(values), 1))
    image.putdata(values)
    return image


def pixels(image):
    assert image.mode == "RGB"
    return [image.getpixel((x, y)) for y in range(image.height) for x in range(image.width)]


def test_grey_becomes_three_equal_channels():
    assert pixels(open_image(saved(row("L", 0, 128, 255)))) == [(0, 0, 0), (128, 128, 128), WHITE]


def test_one_bit_becomes_black_and_white():
    assert pixels(open_image(saved(row("1", 0, 255)))) == [(0, 0, 0), WHITE]


def palette_row():
    image = row("P", 0, 1)
    image.putpalette([255, 0, 0, 10, 20, 30])
    return image


def test_a_palette_is_looked_up():
    assert pixels(open_image(saved(palette_row()))) == [RED, (10, 20, 30)]


@pytest.mark.parametrize("transparency", [1, bytes([255, 0])])
def test_a_transparent_palette_entry_shows_white(transparency):
    assert pixels(open_image(saved(palette_row(), transparency=transparency))) == [RED, WHITE]


def test_transparency_is_laid_over_white():
    image = row("RGBA", (255, 0, 0, 255), (255, 0, 0, 0), (255, 0, 0, 51))
    assert pixels(open_image(saved(image))) == [RED, WHITE, (255, 204, 204)]
    assert pixels(open_image(saved(row("LA", (100, 255), (100, 0))))) == [(100, 100, 100), WHITE]


def test_sixteen_bit_grey_is_scaled_and_not_cut():
    grey = [pixel[0] for pixel in pixels(open_image(saved(row("I;16", 0, 257, 25700, 65535))))]
    assert grey == [0, 1, 100, 255]


def test_floating_point_grey_has_its_white_at_one():
    grey = [pixel[0] for pixel in pixels(open_image(saved(row("F", 0.0, 0.5, 1.0, 7.0), "TIFF")))]
    assert grey == [0, 128, 255, 255]


def test_cmyk_becomes_rgb():
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    red, green, blue = open_image(saved(image, "JPEG")).getpixel((8, 8))
    assert red > 240 and green < 15 and blue < 15


@pytest.mark.parametrize(("orientation", "corner"), [(1, 0), (2, 1), (3, 3), (4, 2), (5, 0), (6, 1), (7, 3), (8, 2)])
def test_an_exif_rotation_is_applied(orientation, corner):
    image = Image.new("RGB", (32, 16), "white")
    image.paste(RED, (0, 0, 8, 8))  # top left, before the viewer turns it
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    upright = open_image(saved(image, "JPEG", exif=exif, quality=95))
    width, height = upright.size
    assert (width, height) == ((32, 16) if orientation < 5 else (16, 32))
    corners = [(2, 2), (width - 3, 2), (2, height - 3), (width - 3, height - 3)]
    greens = [upright.getpixel(place)[1] for place in corners]
    assert greens[corner] < 60 and sorted(greens)[1] > 200


def test_a_damaged_exif_block_does_not_spoil_the_picture():
    data = saved(Image.new("RGB", (8, 8), RED), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert open_image(data).size == (8, 8)


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert set(pixels(open_image(data))) == {RED}


def test_an_extreme_aspect_ratio_is_kept():
    assert open_image(saved(Image.new("RGB", (2000, 1)))).size == (2000, 1)


def test_the_format_is_recognised_by_content(tmp_path):
    (tmp_path / "picture.jpg").write_bytes(saved(row("RGB", RED)))
    assert pixels(open_image(tmp_path / "picture.jpg")) == [RED]
    assert pixels(open_image(str(tmp_path / "picture.jpg"))) == [RED]


def test_a_pil_image_is_left_as_it_was():
    image = row("RGBA", (255, 0, 0, 0))
    assert pixels(open_image(image)) == [WHITE]
    assert (image.mode, image.getpixel((0, 0))) == ("RGBA", (255, 0, 0, 0))


noise = Image.effect_noise((64, 64), 90)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_a_truncated_file_is_refused_with_its_name(tmp_path, format):
    data = saved(noise, format)
    file = tmp_path / "cut.img"
    file.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(UnreadableImageError, match=r"cut\.img: \w"):
        open_image(file)


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "the file is empty"), (b"hello, I am text", "not an image"), (b"\xff\xd8\xff", ".")]
)
def test_what_is_no_image_is_refused_with_its_name(tmp_path, content, reason):
    file = tmp_path / "strange.jpg"
    file.write_bytes(content)
    with pytest.raises(UnreadableImageError, match=rf"strange\.jpg: .*{reason}"):
        open_image(file)


def test_missing_files_and_folders_are_refused_with_their_name(tmp_path):
    with pytest.raises(UnreadableImageError, match=r"nothing\.jpg: there is no such file"):
        open_image(tmp_path / "nothing.jpg")
    with pytest.raises(UnreadableImageError, match=r"[Dd]irectory"):
        open_image(tmp_path)


def test_a_decompression_bomb_is_refused_before_it_is_decoded_and_without_a_warning(monkeypatch):
    def decode(self):
        raise AssertionError("decoded")

    for side in (9_500, 20_000):  # above Pillow's warning, above Pillow's error
        bomb = saved(Image.new("1", (side, side)), "PNG")
        monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decode)
        with pytest.raises(UnreadableImageError, match=rf"bomb\.png.*{side**2}"):
            open_image(bomb, name="bomb.png")
        monkeypatch.undo()
    with pytest.raises(UnreadableImageError, match="4 x 4 = 16 pixels, more than the 15 allowed"):
        open_image(Image.new("RGB", (4, 4)), max_pixels=15)
    assert side**2 > MAX_PIXELS


def test_threads_leave_the_warning_filters_as_they_were():
    before = list(warnings.filters)
    threads = [threading.Thread(target=open_image, args=(saved(noise, "JPEG"),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


def test_the_error_crosses_processes():
    error = pickle.loads(pickle.dumps(UnreadableImageError("a.jpg", "the file is empty")))
    assert (str(error), error.name) == ("a.jpg: the file is empty", "a.jpg")


@pytest.mark.skipif(not ODD.is_dir(), reason="the odd images are not here")
def test_real_odd_images_are_opened_or_refused():
    sizes, refused = {}, set()
    for file in sorted(ODD.iterdir()):
        try:
            sizes[file.name] = open_image(file).size
        except UnreadableImageError as error:
            assert file.name in str(error)
            refused.add(file.name)
    assert refused == {"derived_text.jpg", "derived_zero_length.jpg", "torchcodec_corrupt.jpg"}
    assert sizes["derived_2000x8.jpg"] == (2000, 8)
    assert {size for name, size in sizes.items() if name.startswith("derived") and "2000" not in name} == {(385, 256)}
    assert len(sizes) == 11


@pytest.mark.skipif(not ODD.is_dir(), reason="the odd images are not here")
def test_real_variants_of_one_photo_look_alike():
    photo = open_image(ODD / "derived_png_named.jpg").resize((8, 8))
    for name in ("derived_palette.png", "derived_progressive.jpg", "derived.webp"):
        variant = open_image(ODD / name).resize((8, 8))
        gaps = ImageChops.difference(photo, variant).getextrema()
        assert max(most for _, most in gaps) < 24, name
