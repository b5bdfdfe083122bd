"""Bad and unusual images: read correctly, or refused with a reason."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from fakeforensics.faces.still import chroma_sampling, jpeg_quality, read_still
from fakeforensics.faces.video import MAX_PIXELS, UnreadableError
from fakeforensics.images.codec import decode

# Left to right darker, and a bright corner: every turn and flip of it looks different.
SCENE = np.tile(np.linspace(250, 10, 48).astype(np.uint8)[None, :, None], (32, 1, 3))
SCENE[:8, :8] = (255, 0, 0)


def save(path, image=None, **options):
    (Image.fromarray(SCENE) if image is None else image).save(path, **options)
    return path


# Four corners of four colors: every turn and flip looks different, and so does any exchange of channels.
CORNERS = np.zeros((40, 64, 3), np.uint8)
CORNERS[:20, :32], CORNERS[:20, 32:] = (200, 40, 40), (40, 180, 60)
CORNERS[20:, :32], CORNERS[20:, 32:] = (50, 60, 190), (230, 220, 90)
GRAY = np.asarray(Image.fromarray(CORNERS).convert("L"))
ORIENTED = {
    "jpg": {"quality": 95, "subsampling": 0},
    "png": {},
    "webp": {"lossless": True},
    "tif": {},
    "avif": {"quality": 100, "subsampling": "4:4:4"},
}


@pytest.mark.parametrize("suffix", ORIENTED)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_orientations_of_every_format_that_has_them(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(CORNERS).save(file, "PNG", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(file)))  # Pillow's reading of the standard
    path = save(tmp_path / f"a.{suffix}", Image.fromarray(CORNERS), exif=exif, **ORIENTED[suffix])
    still = read_still(path)
    assert still.frame.rgb.shape == expected.shape
    assert np.abs(still.frame.rgb.astype(int) - expected).mean() <= 2
    assert (still.metadata.height, still.metadata.width) == expected.shape[:2]
    assert still.plain == (orientation == 1 and suffix in ("jpg", "png"))


ALPHA = np.full((40, 64), 255, np.uint8)
ALPHA[:, :16], ALPHA[:, 16:32] = 0, 128
RGBA = Image.fromarray(np.dstack([CORNERS, ALPHA]))
PALETTE = Image.fromarray(CORNERS).quantize(16)
CMYK = Image.fromarray(CORNERS).convert("CMYK")
DEEP = Image.fromarray(GRAY.astype(np.uint16) * 257)


def tiff(photometric):
    """An uncompressed gray TIFF of 8 bits; 0 means that white is zero."""
    entries = [
        *((256, 3, 1, 64), (257, 3, 1, 40), (258, 3, 1, 8), (259, 3, 1, 1)),
        *((262, 3, 1, photometric), (273, 4, 1, 0), (277, 3, 1, 1), (278, 3, 1, 40), (279, 4, 1, 64 * 40)),
    ]
    begin = 8 + 2 + 12 * len(entries) + 4
    fields = b"".join(
        struct.pack("<HHII", tag, kind, count, begin if tag == 273 else value)
        for tag, kind, count, value in entries
    )
    samples = GRAY if photometric else 255 - GRAY
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + fields + bytes(4) + samples.tobytes()


def ppm(channels, maximum):
    deep = (CORNERS if channels == 3 else GRAY).astype(">u2") * (maximum // 255)
    return b"P%d 64 40 %d\n" % (6 if channels == 3 else 5, maximum) + deep.tobytes()


KINDS = {
    "alpha.png": (RGBA, CORNERS),
    "alpha.webp": (RGBA, CORNERS),
    "alpha.tif": (RGBA, CORNERS),
    "alpha.avif": (RGBA, CORNERS),
    "alpha.jp2": (RGBA, CORNERS),
    "gray_alpha.png": (Image.fromarray(np.dstack([GRAY, ALPHA])), GRAY),
    "gray.jpg": (Image.fromarray(GRAY), GRAY),
    "gray.jp2": (Image.fromarray(GRAY), GRAY),
    "gray.tif": (Image.fromarray(GRAY), GRAY),
    "bilevel.png": (Image.fromarray(GRAY).convert("1"), None),
    "bilevel.tif": (Image.fromarray(GRAY).convert("1"), None),
    "palette.png": (PALETTE, None),
    "palette.gif": (PALETTE, None),
    "palette.bmp": (PALETTE, None),
    "palette.tif": (PALETTE, None),
    "cmyk.jpg": (CMYK, CORNERS),
    "cmyk.tif": (CMYK, CORNERS),
    "deep.png": (DEEP, GRAY),
    "deep.tif": (DEEP, GRAY),
    "deep.ppm": (ppm(3, 65535), CORNERS),
    "deep.pgm": (ppm(1, 65535), GRAY),
    "white_is_zero.tif": (tiff(0), GRAY),
    "black_is_zero.tif": (tiff(1), GRAY),
}
WRITTEN = {
    "alpha.webp": {"lossless": True, "exact": True},
    "alpha.avif": {"quality": 100, "subsampling": "4:4:4"},
    "cmyk.jpg": {"quality": 97},
    "gray.jpg": {"quality": 97},
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_samples_is_read_as_it_is_shown(tmp_path, name):
    # Colors under transparent pixels count: alpha is dropped, not blended with a background.
    image, expected = KINDS[name]
    path = tmp_path / name
    if isinstance(image, bytes):
        path.write_bytes(image)
    else:
        save(path, image, **WRITTEN.get(name, {}))
        expected = np.asarray(image.convert("RGB")) if expected is None else expected
    if expected.ndim == 2:
        expected = np.repeat(expected[..., None], 3, axis=2)
    still = read_still(path)
    assert still.frame.rgb.shape == (40, 64, 3)
    assert np.abs(still.frame.rgb.astype(int) - expected).mean() <= 2
    if still.plain:  # stored as it is: training must see the same
        assert np.array_equal(decode(still.data), still.frame.rgb)


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("float.tif", Image.fromarray(GRAY.astype(np.float32) / 255)),
        ("float.pfm", Image.fromarray(GRAY.astype(np.float32) / 255)),
        ("integers.tif", Image.fromarray(GRAY.astype(np.int32))),
    ],
)
def test_samples_without_a_known_range_are_refused_with_that_reason(tmp_path, name, image):
    with pytest.raises(UnreadableError, match="samples of 32 bits"):
        read_still(save(tmp_path / name, image))


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


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "bmp", "tif"])
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


def test_every_damage_is_a_refusal_or_an_image(tmp_path):
    # One flipped byte at a time, over the whole file: nothing but the two may happen.
    out = io.BytesIO()
    Image.fromarray(SCENE).save(out, "JPEG")
    path = tmp_path / "a.jpg"
    refused = 0
    for place in range(0, len(out.getvalue()), 7):
        data = bytearray(out.getvalue())
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
