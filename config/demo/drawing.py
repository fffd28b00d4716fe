"""Draws sea animals: varied, with known truth, some of them hard to tell.

Pure: Pillow and numpy. A picture is water with its ground and plants, one animal and things in front of it; then murk,
blur and grain by its difficulty. As in the sea, each animal has colours and a place that it is seen in most often, and
none that are its own: they tell as much as its shape, so that a small network learns from a few dozen pictures, and is
unsure of those that are astray.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

CATEGORIES = ("crab", "fish", "jellyfish", "starfish")
SIZE = (480, 360)
_SCALE = 2  # drawn larger, then reduced: smooth edges

Point = tuple[float, float]
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Place:
    """Where in the sea: the water's colour above and below, the ground's and how high it reaches, and what grows."""

    above: Colour
    below: Colour
    ground: Colour | None = None
    level: float = 1.0  # share of the height at which the ground begins
    stones: int = 0
    weed: int = 0
    bubbles: int = 0


# Of each animal: its usual hue, how far that strays (share of the circle), and where it is seen.
HABITS = {
    "crab": (0.01, 0.02, Place((95, 160, 165), (40, 90, 100), (105, 100, 95), 0.6, stones=34)),
    "fish": (0.15, 0.03, Place((120, 215, 205), (30, 150, 150), weed=9, bubbles=8)),
    "jellyfish": (0.83, 0.04, Place((45, 75, 165), (5, 10, 50), bubbles=3)),
    "starfish": (0.08, 0.02, Place((120, 200, 225), (70, 150, 190), (205, 185, 130), 0.28, stones=3)),
}
ANY_COLOUR = 0.1  # share of the pictures whose animal has any colour
ASTRAY = 0.15  # share of those that show a place drawn by lot


@dataclass(frozen=True)
class Drawn:
    """One picture: its file name says nothing of its truth; ``difficulty`` is from 0 (clear) to 1 (hardly to tell)."""

    name: str
    category: str
    difficulty: float
    seed: tuple[int, int]

    def data(self) -> bytes:
        """Draw it now, as JPEG: the same seed gives the same bytes."""
        buffer = io.BytesIO()
        picture(self.category, self.difficulty, np.random.default_rng(self.seed)).save(buffer, "JPEG", quality=88)
        return buffer.getvalue()


@dataclass(frozen=True)
class Pose:
    """Where an animal is and how large: centre and radius in drawn pixels, angle in radians, its colours."""

    centre: Point
    radius: float
    angle: float
    body: Colour
    mark: Colour

    def at(self, x: float, y: float) -> Point:
        """From the animal's own space (radius 1, y down) to the picture."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return (
            self.centre[0] + self.radius * (x * cos - y * sin),
            self.centre[1] + self.radius * (x * sin + y * cos),
        )

    def line(self, *points: Point) -> list[Point]:
        return [self.at(*point) for point in points]

    def oval(self, x: float, y: float, wide: float, high: float, *, start: float = 0, end: float = 2) -> list[Point]:
        """An ellipse's arc as a polygon; ``start`` and ``end`` in units of pi."""
        steps = np.linspace(start * math.pi, end * math.pi, 48)
        return [self.at(x + wide * math.cos(t), y + high * math.sin(t)) for t in steps]


def draw_fish(draw: ImageDraw.ImageDraw, pose: Pose, rng: np.random.Generator) -> None:
    slim = rng.uniform(0.38, 0.68)
    fork = rng.uniform(0.0, 0.25)
    draw.polygon(pose.line((0.55, 0), (1.15, -0.45), (1.15 - fork, 0), (1.15, 0.45)), fill=pose.mark)
    draw.polygon(pose.line((-0.2, -slim * 0.8), (0.25, -slim - 0.35), (0.45, -slim * 0.6)), fill=pose.mark)
    draw.polygon(pose.oval(0, 0, 0.85, slim), fill=pose.body)
    for stripe in range(int(rng.integers(0, 4))):
        x = -0.2 + 0.28 * stripe
        draw.line(
            pose.line((x, -slim * 0.75), (x + 0.08, 0), (x, slim * 0.75)), fill=pose.mark, width=_width(pose, 0.09)
        )
    draw.polygon(pose.oval(-0.55, -slim * 0.25, 0.1, 0.1), fill=(250, 250, 250))
    draw.polygon(pose.oval(-0.57, -slim * 0.25, 0.05, 0.05), fill=(20, 20, 30))


def draw_crab(draw: ImageDraw.ImageDraw, pose: Pose, rng: np.random.Generator) -> None:
    for side in (-1, 1):
        for leg in range(3):
            y, spread = 0.1 + 0.18 * leg, rng.uniform(0.85, 1.1)
            knee = (side * spread * 0.85, y - 0.1)
            draw.line(
                pose.line((side * 0.5, y), knee, (side * spread, y + 0.4)), fill=pose.mark, width=_width(pose, 0.09)
            )
        reach = rng.uniform(0.75, 1.0)
        draw.line(pose.line((side * 0.5, -0.1), (side * reach, -0.45)), fill=pose.mark, width=_width(pose, 0.13))
        claw = 0.24 * rng.uniform(0.85, 1.3)
        draw.polygon(pose.oval(side * reach, -0.6, claw, claw * 1.2), fill=pose.body)
        gap = [(side * reach, -0.6), (side * reach - 0.1, -0.6 - 2 * claw), (side * reach + 0.1, -0.6 - 2 * claw)]
        draw.polygon(pose.line(*gap), fill=pose.mark)
        draw.line(pose.line((side * 0.18, -0.3), (side * 0.2, -0.6)), fill=pose.mark, width=_width(pose, 0.05))
        draw.polygon(pose.oval(side * 0.2, -0.62, 0.08, 0.08), fill=(20, 20, 30))
    draw.polygon(pose.oval(0, 0.05, 0.68, 0.45), fill=pose.body)


def draw_jellyfish(draw: ImageDraw.ImageDraw, pose: Pose, rng: np.random.Generator) -> None:
    for tentacle in range(int(rng.integers(5, 9))):
        x, phase = rng.uniform(-0.6, 0.6), rng.uniform(0, 6)
        length, wave = rng.uniform(0.6, 1.2), rng.uniform(0.04, 0.14)
        points = [(x + wave * math.sin(phase + 7 * t), -0.1 + length * t) for t in np.linspace(0, 1, 16)]
        draw.line(pose.line(*points), fill=pose.mark if tentacle % 2 else pose.body, width=_width(pose, 0.06))
    bell = rng.uniform(0.55, 0.8)
    draw.polygon(pose.oval(0, -0.05, 0.75, bell, start=1, end=2), fill=pose.body)
    for bump in range(5):
        draw.polygon(pose.oval(-0.6 + 0.3 * bump, -0.05, 0.15, 0.1), fill=pose.body)
    for spot in range(int(rng.integers(2, 5))):
        draw.polygon(pose.oval(-0.35 + 0.25 * spot, -0.35, 0.08, 0.08), fill=pose.mark)


def draw_starfish(draw: ImageDraw.ImageDraw, pose: Pose, rng: np.random.Generator) -> None:
    inner = rng.uniform(0.34, 0.48)
    points = []
    for corner in range(10):
        reach = inner if corner % 2 else rng.uniform(0.85, 1.05)
        turn = math.pi * corner / 5
        points.append((reach * math.sin(turn), -reach * math.cos(turn)))
    draw.polygon(pose.line(*points), fill=pose.body)
    for arm in range(5):
        turn = 2 * math.pi * arm / 5
        for step in (0.2, 0.4, 0.6):
            draw.polygon(pose.oval(step * math.sin(turn), -step * math.cos(turn), 0.05, 0.05), fill=pose.mark)


ANIMALS: dict[str, Callable[[ImageDraw.ImageDraw, Pose, np.random.Generator], None]] = {
    "crab": draw_crab,
    "fish": draw_fish,
    "jellyfish": draw_jellyfish,
    "starfish": draw_starfish,
}


def _width(pose: Pose, share: float) -> int:
    return max(1, round(pose.radius * share))


def _colour(rng: np.random.Generator, hue: float | None = None) -> Colour:
    pixel = Image.new(
        "HSV",
        (1, 1),
        (int((rng.uniform() if hue is None else hue) * 255), int(rng.uniform(130, 230)), int(rng.uniform(150, 250))),
    )
    red, green, blue = pixel.convert("RGB").tobytes()
    return red, green, blue


def _water(rng: np.random.Generator, place: Place) -> Image.Image:
    """A gradient from light above to dark below, with a few soft shafts."""
    wide, high = SIZE[0] * _SCALE, SIZE[1] * _SCALE
    top, low = (np.array(colour) + rng.normal(0, 12, 3) for colour in (place.above, place.below))
    down = np.linspace(0, 1, high)[:, None, None]
    across = 12 * np.sin(np.linspace(0, rng.uniform(4, 14), wide) + rng.uniform(0, 6))[None, :, None]
    return Image.fromarray(np.clip(top * (1 - down) + low * down + across, 0, 255).astype(np.uint8))


def _weed(draw: ImageDraw.ImageDraw, rng: np.random.Generator, count: int) -> None:
    wide, high = SIZE[0] * _SCALE, SIZE[1] * _SCALE
    for _ in range(count):
        x, tall, sway = rng.uniform(0, wide), rng.uniform(0.25, 0.9) * high, rng.uniform(8, 40)
        phase = rng.uniform(0, 6)
        points = [(x + sway * math.sin(phase + 5 * t), high - tall * t) for t in np.linspace(0, 1, 20)]
        colour = _colour(rng, rng.uniform(0.25, 0.45))
        draw.line(points, fill=tuple(c // 2 for c in colour), width=int(rng.uniform(8, 26)), joint="curve")


def _bubbles(draw: ImageDraw.ImageDraw, rng: np.random.Generator, count: int) -> None:
    wide, high = SIZE[0] * _SCALE, SIZE[1] * _SCALE
    for _ in range(count):
        x, y, r = rng.uniform(0, wide), rng.uniform(0, high), rng.uniform(4, 16)
        draw.ellipse((x - r, y - r, x + r, y + r), outline=(225, 240, 250), width=3)


def _ground(draw: ImageDraw.ImageDraw, rng: np.random.Generator, place: Place) -> None:
    wide, high = SIZE[0] * _SCALE, SIZE[1] * _SCALE
    level, light = high * (place.level + rng.uniform(-0.08, 0.08)), rng.uniform(0.8, 1.1)
    colour = tuple(int(part * light) for part in place.ground or ())
    ridge = [(x, level + 14 * math.sin(x / rng.uniform(60, 140))) for x in range(0, wide + 40, 40)]
    draw.polygon([*ridge, (wide, high), (0, high)], fill=colour)
    for _ in range(int(rng.poisson(place.stones))):
        x, y, r, shade = rng.uniform(0, wide), rng.uniform(level, high), rng.uniform(8, 46), rng.uniform(0.55, 1.2)
        draw.ellipse((x - r, y - r * 0.6, x + r, y + r * 0.6), fill=tuple(int(part * shade) for part in colour))


def picture(category: str, difficulty: float, rng: np.random.Generator) -> Image.Image:
    """One animal in its water, RGB of SIZE.

    Args:
        category: One of CATEGORIES.
        difficulty: 0 is near, sharp and free; 1 is small, far in the murk and half behind weed.
        rng: Its seed decides everything else.
    """
    usual, stray, place = HABITS[category]
    if rng.uniform() < ASTRAY:
        place = HABITS[CATEGORIES[int(rng.integers(len(CATEGORIES)))]][2]
    image = _water(rng, place)
    draw = ImageDraw.Draw(image)
    if place.ground:
        _ground(draw, rng, place)
    _weed(draw, rng, int(rng.poisson(place.weed)))
    _bubbles(draw, rng, int(rng.poisson(place.bubbles)))
    wide, high = image.size
    hue = rng.uniform() if rng.uniform() < ANY_COLOUR else (usual + rng.normal(0, stray)) % 1
    pose = Pose(
        centre=(
            wide * rng.uniform(0.3, 0.7),
            high * (rng.uniform(0.5, 0.68) if place.ground else rng.uniform(0.35, 0.6)),
        ),
        radius=high * (0.42 - 0.2 * difficulty) * rng.uniform(0.85, 1.05),
        angle=rng.uniform(-0.6, 0.6) + (math.pi if rng.uniform() < 0.25 * difficulty else 0),
        body=_colour(rng, hue),
        mark=_colour(rng, (hue + rng.uniform(0.04, 0.15)) % 1),
    )
    haze = Image.blend(image, Image.new("RGB", image.size, (70, 120, 140)), 0.25)
    ANIMALS[category](ImageDraw.Draw(image), pose, rng)
    if rng.uniform() < 0.5:
        image, haze = ImageOps.mirror(image), ImageOps.mirror(haze)
    image = Image.blend(image, haze, 0.72 * difficulty)
    _weed(ImageDraw.Draw(image), rng, int(difficulty * rng.uniform(0, 8)))
    image = image.resize(SIZE, Image.Resampling.LANCZOS).filter(ImageFilter.GaussianBlur(2.6 * difficulty))
    grain = rng.normal(0, 2 + 12 * difficulty, (SIZE[1], SIZE[0], 1))
    return Image.fromarray(np.clip(np.asarray(image, np.float64) + grain, 0, 255).astype(np.uint8))


def draw_set(count: int, seed: int = 7) -> list[Drawn]:
    """``count`` pictures of all categories; most are clear, some are hard. Each is drawn when its data is asked for."""
    drawn = []
    for number in range(count):
        rng = np.random.default_rng([seed, number, 1])
        category = CATEGORIES[int(rng.integers(len(CATEGORIES)))]
        drawn.append(Drawn(f"sea-{number:04d}.jpg", category, float(rng.beta(1.1, 3.2)), (seed, number)))
    return drawn
