"""Every kind of still: all orientations and samples, as they are shown or refused with the reason."""

import base64
import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from fakeforensics.faces.still import read_still
from fakeforensics.faces.video import UnreadableError
from fakeforensics.images.codec import decode

# Four corners of four colors: every turn and flip looks different, and so does any exchange of channels.
CORNERS = np.zeros((40, 64, 3), np.uint8)
CORNERS[:20, :32], CORNERS[:20, 32:] = (200, 40, 40), (40, 180, 60)
CORNERS[20:, :32], CORNERS[20:, 32:] = (50, 60, 190), (230, 220, 90)
GRAY = np.asarray(Image.fromarray(CORNERS).convert("L"))
ALPHA = np.full((40, 64), 255, np.uint8)
ALPHA[:, :16], ALPHA[:, 16:32] = 0, 128
RGBA = Image.fromarray(np.dstack([CORNERS, ALPHA]))
PALETTE = Image.fromarray(CORNERS).quantize(16)
CMYK = Image.fromarray(CORNERS).convert("CMYK")
DEEP = Image.fromarray(GRAY.astype(np.uint16) * 257)
MODES = {
    "RGB": Image.fromarray(CORNERS),
    "L": Image.fromarray(GRAY),
    "P": PALETTE,
    "1": Image.fromarray(GRAY).convert("1"),
    "RGBA": RGBA,
    "CMYK": CMYK,
    "I;16": DEEP,
}
EXPECTED = {mode: np.asarray(image.convert("RGB")) for mode, image in MODES.items()} | {
    "I;16": np.repeat(GRAY[..., None], 3, axis=2)
}
ORIENTED = [
    *(("jpg", mode, {"quality": 97, "subsampling": 0}) for mode in ("RGB", "L", "CMYK")),
    *(("png", mode, {}) for mode in ("RGB", "L", "P", "1", "RGBA", "I;16")),
    *(("webp", mode, {"lossless": True, "exact": True}) for mode in ("RGB", "RGBA")),
    *(("tif", mode, {}) for mode in ("RGB", "L", "P", "1", "RGBA", "CMYK", "I;16")),
    *(("avif", mode, {"quality": 100, "subsampling": "4:4:4"}) for mode in ("RGB", "RGBA")),
    *(("jp2", mode, {}) for mode in ("RGB", "L", "RGBA", "I;16")),
    ("mpo", "RGB", {"quality": 97, "subsampling": 0, "save_all": True, "append_images": [MODES["L"]]}),
]


def save(path, image, **options):
    image.save(path, **options)
    return path


def with_orientation(path, image, orientation, **options):
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(path, image, exif=exif, **options)
    if path.suffix == ".jp2":  # Pillow writes none; this is the box in which ExifTool does
        content = b"JpgTiffExif->JP2" + exif.tobytes().removeprefix(b"Exif\0\0")
        path.write_bytes(path.read_bytes() + struct.pack(">I", 8 + len(content)) + b"uuid" + content)
    return path


@pytest.mark.parametrize(("suffix", "mode", "options"), ORIENTED)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_orientations_of_every_format_that_has_them(tmp_path, suffix, mode, options, orientation):
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(EXPECTED[mode]).save(file, "PNG", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(file)))  # Pillow's reading of the standard
    still = read_still(with_orientation(tmp_path / f"a.{suffix}", MODES[mode], orientation, **options))
    assert still.frame.rgb.shape == expected.shape
    assert np.abs(still.frame.rgb.astype(int) - expected).mean() <= 2
    assert (still.metadata.height, still.metadata.width) == expected.shape[:2]
    is_plain = suffix in ("jpg", "png", "mpo") and mode in ("RGB", "L", "P")
    assert still.plain == (orientation == 1 and is_plain)


def test_the_orientation_in_the_exif_of_an_avif_does_not_count(tmp_path):
    # Its container states it (ISO/IEC 23000-22, 7.3.2), and viewers go by that.
    exif = Image.Exif()
    exif[0x0113] = 6  # Pillow would move 0x0112 to the container
    data = save(tmp_path / "a.avif", MODES["RGB"], exif=exif).read_bytes()
    assert data.count(b"\x01\x13\0\x03\0\0\0\x01\0\x06") == 1
    path = tmp_path / "b.avif"
    path.write_bytes(data.replace(b"\x01\x13\0\x03", b"\x01\x12\0\x03"))
    assert read_still(path).frame.rgb.shape == (40, 64, 3)


def tiff(samples, photometric=1, bits=8, sample_format=1, planes=1, order="<"):
    """An uncompressed TIFF; `samples` are rows and columns (and colors)."""
    channels = samples.shape[2] if samples.ndim == 3 else 1
    data = samples.astype(samples.dtype.newbyteorder(order))
    strips = [data[..., place].tobytes() for place in range(channels)] if planes == 2 else [data.tobytes()]
    if bits == 12:  # two samples in three bytes
        one, other = (samples[:, place::2].astype(int) for place in (0, 1))
        packed = np.dstack([one >> 4, (one & 15) << 4 | other >> 8, other & 255])
        strips = [packed.astype(np.uint8).tobytes()]
    fields = {
        256: [64],
        257: [40],
        258: [bits] * channels,
        259: [1],
        262: [photometric],
        273: [0] * len(strips),
        277: [channels],
        278: [40],
        279: [len(strip) for strip in strips],
        284: [planes],
        339: [sample_format] * channels,
    }
    begin = 8 + 2 + 12 * len(fields) + 4
    for _ in range(2):  # once to learn where the strips are
        head, more = b"", b""
        for tag, values in fields.items():
            content = struct.pack(f"{order}{len(values)}I", *values)
            head += struct.pack(f"{order}HHI", tag, 4, len(values))
            head += content if len(values) == 1 else struct.pack(f"{order}I", begin + len(more))
            more += content if len(values) > 1 else b""
        starts = np.cumsum([begin + len(more), *map(len, strips)])
        fields[273] = [int(start) for start in starts[:-1]]
    mark = b"II*\0" if order == "<" else b"MM\0*"
    count = struct.pack(f"{order}IH", 8, len(fields))
    return mark + count + head + bytes(4) + more + b"".join(strips)


def bmp(bits, rows, height=40, compression=0, masks=()):
    """A BMP; a negative height means that the top row comes first."""
    start = 54 + 4 * len(masks)
    header = struct.pack("<IiiHHIIiiII", 40, 64, height, 1, bits, compression, len(rows), 0, 0, 0, 0)
    start_of_file = struct.pack("<IHHI", start + len(rows), 0, 0, start)
    return b"BM" + start_of_file + header + struct.pack(f"<{len(masks)}I", *masks) + rows


def five_bits(green):
    """Colors of 5, 5 or 6, and 5 bits in 16."""
    red, blue = CORNERS[..., 0].astype(int) >> 3, CORNERS[..., 2] >> 3
    return (red << 5 + green | CORNERS[..., 1].astype(int) >> 8 - green << 5 | blue).astype("<u2")


def ycck():
    """A JPEG as Photoshop writes CMYK: inverted, its first three inks as YCbCr."""
    inks = np.asarray(Image.fromarray(255 - CORNERS).convert("YCbCr"))
    planes = np.dstack([inks, np.full((40, 64), 255, np.uint8)])
    out = io.BytesIO()
    Image.fromarray(255 - planes, "CMYK").save(out, "JPEG", quality=97)  # Pillow inverts, and states no YCCK
    data = bytearray(out.getvalue())
    data[data.index(b"Adobe") + 11] = 2
    return bytes(data)


# cjpeg -arithmetic -quality 97 -sample 1x1
ARITHMETIC = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAEBAQEBAQEBAQEBAQEBAQICAQEBAQMCAgICAwMEBAMDAwMEBAYFBAQFBAMDBQcFBQYG"
    "BgYGBAUHBwcGBwYGBgb/2wBDAQEBAQEBAQMCAgMGBAMEBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYGBgYG"
    "BgYGBgYGBgb/yQARCAAoAEADAREAAhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIRAxEAPwD/AOzCrKOlw4fZx4NGeHnW67c7O1Df"
    "8x+Uzn5x+lF2tugKaPxJyqHypRe/LHqlwz3NsPQy29ci+72wf9K719hlgUsSHyLvxe0lbKSs6n5bUXzG6hIo8arBUOuYJPGqebrD"
    "NF9p7T5kBLVJeJIaeLwGojajlBoOtJ9+i+TkAlzGdLuGKD0p3wXbMsFPkCY71Yl0SQ7ywRCEV+x88frqM8U/QVlXgzoFOyZ5zDvU"
    "eDvVw2UhrKAfaWp0gScCFNRlI2RhwjjLBRYobpD/2Q=="
)


def ppm(channels, maximum):
    deep = (CORNERS if channels == 3 else GRAY).astype(int) * maximum // 255
    data = deep.astype(">u2" if maximum > 255 else np.uint8).tobytes()
    return b"P%d 64 40 %d\n" % (6 if channels == 3 else 5, maximum) + data


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
    "ten_bits.ppm": (ppm(3, 1023), CORNERS),
    "ten_bits.pgm": (ppm(1, 1023), GRAY),
    "hundred.ppm": (ppm(3, 100), CORNERS),
    "hundred.pgm": (ppm(1, 100), GRAY),
    "white_is_zero.tif": (tiff(255 - GRAY, photometric=0), GRAY),
    "black_is_zero.tif": (tiff(GRAY), GRAY),
    "deep_white_is_zero.tif": (tiff(65535 - GRAY.astype("u2") * 257, photometric=0, bits=16), GRAY),
    "twelve_bits.tif": (tiff(GRAY.astype("u2") * 16, bits=12), GRAY),
    "big_endian.tif": (tiff(CORNERS.astype("u2") * 257, photometric=2, bits=16, order=">"), CORNERS),
    "planes.tif": (tiff(CORNERS, photometric=2, planes=2), CORNERS),
    "top_down.bmp": (bmp(24, np.ascontiguousarray(CORNERS[..., ::-1]).tobytes(), height=-40), CORNERS),
    "alpha.bmp": (bmp(32, np.dstack([CORNERS[..., ::-1], ALPHA])[::-1].tobytes()), CORNERS),
    "five_bits.bmp": (bmp(16, five_bits(5)[::-1].tobytes()), CORNERS // 8 * 255.0 / 31),
    "six_bits.bmp": (
        bmp(16, five_bits(6)[::-1].tobytes(), compression=3, masks=(0xF800, 0x7E0, 0x1F)),
        CORNERS // (8, 4, 8) * 255.0 / (31, 63, 31),
    ),
    "ycck.jpg": (ycck(), CORNERS),
    "arithmetic.jpg": (ARITHMETIC, CORNERS),
    "progressive.jpg": (Image.fromarray(CORNERS), CORNERS),
    "rgb.jpg": (Image.fromarray(CORNERS), CORNERS),
    "transparent_palette.png": (PALETTE, None),
    "transparent_color.png": (Image.fromarray(CORNERS), CORNERS),
    "transparent_gray.png": (Image.fromarray(GRAY), GRAY),
    "few_colors.png": (PALETTE, None),
    "transparent.gif": (PALETTE, None),
    "packed.tif": (Image.fromarray(CORNERS), CORNERS),
}
WRITTEN = {
    "alpha.webp": {"lossless": True, "exact": True},
    "alpha.avif": {"quality": 100, "subsampling": "4:4:4"},
    "cmyk.jpg": {"quality": 97},
    "gray.jpg": {"quality": 97},
    "progressive.jpg": {"quality": 97, "subsampling": 0, "progressive": True},
    "rgb.jpg": {"quality": 97, "keep_rgb": True},
    "transparent_palette.png": {"transparency": 0},
    "transparent_color.png": {"transparency": (200, 40, 40)},
    "transparent_gray.png": {"transparency": int(GRAY[0, 0])},
    "few_colors.png": {"bits": 4},
    "transparent.gif": {"transparency": 0},
    "packed.tif": {"compression": "tiff_lzw"},
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
    ("data", "reason"),
    [
        (tiff(GRAY.astype("f4"), bits=32, sample_format=3), "floating-point"),
        (tiff(CORNERS.astype("f4"), photometric=2, bits=32, sample_format=3), "floating-point"),
        (tiff(GRAY.astype("i4"), bits=32, sample_format=2), "signed"),
        (tiff(GRAY.astype("u4"), bits=32), "32-bit"),
        (tiff(GRAY.astype("i1"), sample_format=2), "signed"),
        (tiff(CORNERS.astype("u2"), photometric=2, bits=16, planes=2), "16 bits in one plane for each color"),
        (tiff(CORNERS, photometric=8), "CIELAB"),
        (tiff(GRAY.astype("u2"), photometric=0, bits=16, order=">"), r"photometric 0, bits \(16,\)"),
        (b"Pf 64 40 -1.0\n" + GRAY.astype("<f4").tobytes(), "floating-point"),
    ],
)
def test_samples_that_would_be_misread_are_refused_with_the_reason(tmp_path, data, reason):
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(UnreadableError, match=reason):
        read_still(tmp_path / "a")


@pytest.mark.parametrize(
    ("place", "value", "reason"), [(4, 12, "JPEG: 12 bits"), (1, 0xC3, "JPEG: 8 bits, lossless")]
)
def test_a_kind_of_jpeg_that_is_not_read_is_no_damage(tmp_path, place, value, reason):
    data = bytearray(save(tmp_path / "a.jpg", Image.fromarray(CORNERS)).read_bytes())
    data[data.index(b"\xff\xc0") + place] = value
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(UnreadableError, match=reason):
        read_still(tmp_path / "a.jpg")


def test_16_bits_in_color_are_not_stored_as_they_are(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), CORNERS[..., ::-1].astype(np.uint16) * 257)
    still = read_still(tmp_path / "a.png")
    assert np.array_equal(still.frame.rgb, CORNERS)
    assert not still.plain
