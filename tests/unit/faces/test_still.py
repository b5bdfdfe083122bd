"""Bad and unusual images: read correctly, or refused with a reason."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from fakeforensics.faces.still import chroma_sampling, jpeg_quality, read_still
from fakeforensics.faces.video import MAX_PIXELS, UnreadableError

# Left to right darker, and a bright corner: every turn and flip of it looks different.
SCENE = np.tile(np.linspace(250, 10, 48).astype(np.uint8)[None, :, None], (32, 1, 3))
SCENE[:8, :8] = (255, 0, 0)


def save(path, image=None, **options):
    (Image.fromarray(SCENE) if image is None else image).save(path, **options)
    return path


def test_the_profile_of_an_image_is_named(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    for suffix in ("jpg", "png", "webp", "tif", "avif"):
        path = save(tmp_path / f"a.{suffix}", icc_profile=profile.tobytes())
        assert read_still(path).metadata.primaries == "sRGB built-in"
    assert read_still(save(tmp_path / "none.png")).metadata.primaries == ""
    assert read_still(save(tmp_path / "bad.png", icc_profile=b"none")).metadata.primaries == "damaged profile"


def test_the_metadata_of_a_jpeg(tmp_path):
    metadata = read_still(save(tmp_path / "a.jpg", quality=80, subsampling=2)).metadata
    assert metadata[1:6] == ("JPEG", 48, 32, 80, "4:2:0")


def test_a_wrong_extension_is_seen_through(tmp_path):
    path = save(tmp_path / "a.png", format="JPEG")
    still = read_still(path)
    assert still.metadata.format == "JPEG"
    assert still.plain


def test_cmyk(tmp_path):
    gray = Image.new("CMYK", (32, 32), (0, 0, 0, 128))
    still = read_still(save(tmp_path / "a.jpg", gray, quality=95))
    assert abs(int(still.frame.rgb.mean()) - 127) < 6
    assert not still.plain


def test_16_bit_becomes_8_bit(tmp_path):
    deep = Image.fromarray(np.full((32, 32), 0x8000, np.uint16))
    still = read_still(save(tmp_path / "a.png", deep))
    assert still.frame.rgb.shape == (32, 32, 3)
    assert np.all(still.frame.rgb == 128)
    assert not still.plain


def test_gray_is_stored_as_it_is(tmp_path):
    assert read_still(save(tmp_path / "a.png", Image.new("L", (32, 32), 9))).plain


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "avif"])
def test_animations_are_refused(tmp_path, suffix):
    frames = [Image.new("RGB", (16, 16), (60 * number, 0, 0)) for number in range(3)]
    path = tmp_path / f"a.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with pytest.raises(UnreadableError, match="animated"):
        read_still(path)


def bomb(side):
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


@pytest.mark.parametrize("side", [30_000, int(MAX_PIXELS**0.5) + 1])
def test_bombs_are_refused_before_decoding(tmp_path, side):
    (tmp_path / "a.png").write_bytes(bomb(side))
    with pytest.raises(UnreadableError, match="megapixels"):
        read_still(tmp_path / "a.png")


def test_a_tiff_that_is_cut_in_its_header_or_tags_is_refused(tmp_path):
    whole = save(tmp_path / "whole.tif").read_bytes()
    path = tmp_path / "cut.tif"
    for kept in range(1, 60):  # the header ends at 8 bytes, then come the tags
        path.write_bytes(whole[:kept])
        with pytest.raises(UnreadableError, match=r"damaged|not an image"):
            read_still(path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "bmp", "tif", "gif", "jp2", "ppm"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.95])
def test_truncated_files_are_refused(tmp_path, suffix, kept):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    path = save(tmp_path / f"a.{suffix}", noise)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(UnreadableError, match=r"damaged|not an image"):
        read_still(path)


@pytest.mark.parametrize(("data", "reason"), [(b"", "empty file"), (b"<html>404</html>", "not an image")])
def test_what_is_no_image(tmp_path, data, reason):
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(UnreadableError, match=reason):
        read_still(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "tif", "gif", "jp2", "bmp", "ppm"])
def test_every_damage_is_a_refusal_or_an_image(tmp_path, suffix):
    # One flipped byte at a time, over the whole file: nothing but the two may happen.
    path = save(tmp_path / f"a.{suffix}")
    whole = path.read_bytes()
    refused = 0
    for place in [*range(0, min(len(whole), 400), 3), *range(400, len(whole), 1 + len(whole) // 100)]:
        data = bytearray(whole)
        data[place] ^= 0xFF
        path.write_bytes(data)
        try:
            read_still(path)
        except UnreadableError:
            refused += 1
    assert refused > 0


@pytest.mark.parametrize("name", [b"with space.png", b"line\nbreak.png", b"caf\xe9.png", "Ω.png".encode()])
def test_any_file_name(tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    save(path)
    assert np.array_equal(read_still(path).frame.rgb, SCENE)


def test_a_part_of_the_picture(tmp_path):
    still = read_still(save(tmp_path / "a.png"), (0, 0, 8, 8))
    assert np.all(still.frame.rgb == (255, 0, 0))
    assert not still.plain
    with pytest.raises(UnreadableError, match="48x32 pixels do not contain"):
        read_still(tmp_path / "a.png", (0, 0, 49, 8))


def written(**options):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8))
    out = io.BytesIO()
    noise.save(out, "JPEG", **options)
    return Image.open(io.BytesIO(out.getvalue()))


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 51, 75, 90, 95, 100])
def test_libjpeg_qualities_are_recovered(quality):
    assert jpeg_quality(written(quality=quality).quantization[0]) == quality


def test_a_foreign_table_gives_the_nearest_quality():
    # Every step 2: libjpeg's table for 94 has 2 to 15, for 98 has 1 to 5 with mean 2.3, for 99 1 to 2.
    assert 97 <= jpeg_quality([2] * 64) <= 99


@pytest.mark.parametrize(("subsampling", "name"), [(0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")])
def test_chroma_sampling(subsampling, name):
    assert chroma_sampling(written(subsampling=subsampling).layer) == name


def test_gray_and_unusual_components():
    assert chroma_sampling([(1, 1, 1, 0)]) == "4:0:0"
    assert chroma_sampling([(1, 1, 1, 0)] * 4) == ""  # CMYK
    assert chroma_sampling([(1, 2, 2, 0), (2, 1, 1, 1), (3, 2, 1, 1)]) == ""
