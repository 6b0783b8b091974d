#!/usr/bin/env python3
"""Draws the two icons of the app package beside this file: three arches of a viaduct.

usage: plugins/teams/icons/draw.py
"""
import pathlib
import struct
import sys
import zlib

SAMPLES = 8  # of a pixel, each way
ARCHES = (0.245, 0.5, 0.755)
RADIUS = 0.1
SPRING = 0.58  # where the arches begin


def inside(x, y):
    if not (0.08 <= x <= 0.92 and 0.33 <= y <= 0.76):
        return False
    if y < 0.41:
        return True  # the deck
    for middle in ARCHES:
        across = abs(x - middle)
        if y >= SPRING and across < RADIUS:
            return False
        if y < SPRING and across**2 + (y - SPRING) ** 2 < RADIUS**2:
            return False
    return 0.105 <= x <= 0.895


def coverage(size, column, row):
    step = 1 / SAMPLES
    hits = sum(
        inside((column + (i + 0.5) * step) / size, (row + (j + 0.5) * step) / size)
        for i in range(SAMPLES)
        for j in range(SAMPLES)
    )
    return hits / SAMPLES**2


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(size, pixel):
    rows = b"".join(b"\0" + b"".join(bytes(pixel(x, y)) for x in range(size)) for y in range(size))
    head = struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def color(x, y):
    share = coverage(192, x, y)
    return [round(a + (255 - a) * share) for a in (0x5B, 0x6D, 0xEF)] + [255]


def outline(x, y):
    return (255, 255, 255, round(255 * coverage(32, x, y)))


if "--help" in sys.argv:
    print(__doc__)
    sys.exit()
folder = pathlib.Path(__file__).parent
(folder / "color.png").write_bytes(png(192, color))
(folder / "outline.png").write_bytes(png(32, outline))
