"""Boxes from many, by hand, by invariance and against experts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.aggregators import f1, read_boxes
from labeling.aggregation import boxes, geometry
from labeling.aggregation.boxes import Drawn, Hand


def drawing(worker: int, *sides: tuple[float, float, float, float], category: str = "cat") -> Drawn:
    return Drawn(worker, [{"category": category, "box": list(box)} for box in sides])


def test_overlap_by_hand():
    one, other = np.array([[0.0, 0, 10, 10]]), np.array([[5.0, 0, 10, 10], [20, 20, 5, 5], [0, 0, 10, 10]])
    assert geometry.overlap(one, other)[0] == pytest.approx([1 / 3, 0, 1])


def test_two_boxes_of_one_worker_are_never_one_thing():
    sides = np.array([[0.0, 0, 10, 10], [1, 0, 10, 10], [0, 1, 10, 10]])
    home = geometry.cluster(sides, np.array([0, 0, 1]), np.zeros(3, int))
    assert home[0] != home[1]
    assert home[2] in home[:2]


def test_categories_are_kept_apart():
    sides = np.array([[0.0, 0, 10, 10], [0, 0, 10, 10]])
    assert len(set(geometry.cluster(sides, np.array([0, 1]), np.array([0, 1])).tolist())) == 2


def test_three_who_agree_make_a_sure_box():
    fused = boxes.fuse([drawing(n, (10 + n, 10, 40, 40)) for n in range(3)], {})
    [box] = fused.boxes
    assert box.box == pytest.approx((11, 10, 40, 40), abs=0.2)
    assert box.confidence > 0.95
    assert box.workers == (0, 1, 2)


def test_one_thing_that_people_take_for_two_kinds_is_one_box_of_the_kind_that_most_say():
    place = (10, 10, 40, 40)
    crowd = [drawing(n, place) for n in range(3)] + [drawing(n, place, category="dog") for n in (3, 4)]
    [box] = boxes.fuse(crowd, {}).boxes
    assert (box.category, box.workers) == ("cat", (0, 1, 2, 3, 4))
    alike = boxes.fuse([drawing(n, place) for n in range(5)], {})
    assert boxes.fuse(crowd, {}).confidence < 0.7 < alike.confidence
    trusted = {worker: Hand(vote=2.0 if worker > 2 else 0.5) for worker in range(5)}
    assert boxes.fuse(crowd, trusted).boxes[0].category == "dog"


def test_two_kinds_of_thing_at_one_place_stay_two_where_somebody_draws_both():
    both = [Drawn(n, [{"category": kind, "box": [10, 10, 40, 40]} for kind in ("horse", "rider")]) for n in range(2)]
    crowd = [*both, drawing(2, (10, 10, 40, 40), category="horse"), drawing(3, (10, 10, 40, 40), category="rider")]
    assert {box.category for box in boxes.fuse(crowd, {}).boxes} == {"horse", "rider"}
    apart = [drawing(0, (10, 10, 40, 40), category="horse"), drawing(1, (30, 10, 40, 40), category="rider")]
    assert len(boxes.fuse(apart, {}).boxes) == 2


def test_of_different_categories_what_overlaps_by_half_is_one_thing():
    cats = [drawing(n, (0, 0, 40, 40)) for n in range(2)]
    near = [drawing(n, (12, 0, 40, 40), category="dog") for n in (2, 3)]  # IoU .54
    far = [drawing(n, (16, 0, 40, 40), category="dog") for n in (2, 3)]  # IoU .43
    assert len(boxes.fuse(cats + near, {}).boxes) == 1
    assert sorted(box.workers for box in boxes.fuse(cats + far, {}).boxes) == [(0, 1), (2, 3)]


def test_many_boxes_are_told_apart_as_few_are():
    """Only boxes that can meet are compared: far copies of one crowd change nothing of it."""
    rng = np.random.default_rng(5)
    near = [[(*rng.uniform(0, 60, 2), *rng.uniform(20, 40, 2)) for _ in range(6)] for _worker in range(4)]
    alone = boxes.fuse([drawing(n, *rows) for n, rows in enumerate(near)], {}).boxes
    away = [(0, 0), (5000, 0), (0, 5000), (5000, 5000)]
    copied = [[(x + dx, y + dy, w, h) for dx, dy in away for x, y, w, h in rows] for rows in near]
    found = boxes.fuse([drawing(n, *rows) for n, rows in enumerate(copied)], {}).boxes
    assert len(found) == 4 * len(alone)
    first = sorted(box.box for box in found if max(box.box[:2]) < 1000)
    assert np.allclose(first, sorted(box.box for box in alone))


def test_what_one_of_five_drew_is_rejected():
    crowd = [drawing(n, (10, 10, 40, 40)) for n in range(4)] + [drawing(4, (10, 10, 40, 40), (300, 300, 20, 20))]
    fused = boxes.fuse(crowd, {})
    [box] = fused.boxes
    assert box.box == pytest.approx((10, 10, 40, 40), abs=0.2)
    assert fused.confidence == pytest.approx(1 - 1.5**2 / (1.5**2 + 2.9**2))  # that it is nothing, the least sure


def test_whose_weight_was_lowered_has_less_of_a_vote():
    crowd = [replace(drawing(n, (10, 10, 40, 40)), weight=0.1) for n in (0, 1)] + [drawing(n) for n in (2, 3)]
    assert len(boxes.fuse([replace(person, weight=1) for person in crowd], {}).boxes) == 1
    assert boxes.fuse(crowd, {}).boxes == ()


def test_empty_drawings_say_that_nothing_is_there():
    fused = boxes.fuse([drawing(0), drawing(1), drawing(2)], {})
    assert fused.boxes == ()
    assert fused.confidence > 0.95


def test_a_sloppy_corner_of_one_worker_does_not_move_the_box():
    fused = boxes.fuse([drawing(n, (10, 10, 40, 40)) for n in range(4)] + [drawing(4, (10, 10, 70, 40))], {})
    assert fused.boxes[0].box == pytest.approx((10, 10, 40, 40), abs=1)


def test_moving_and_scaling_the_image_moves_and_scales_the_boxes():
    crowd = [drawing(0, (10, 20, 40, 30)), drawing(1, (12, 19, 41, 33)), drawing(2, (9, 22, 38, 30))]
    scaled = [
        Drawn(d.worker, [{"category": "cat", "box": [3 * x + 5, 3 * y + 5, 3 * w, 3 * h]} for x, y, w, h in [b["box"]]])
        for d in crowd
        for b in d.boxes
    ]
    x, y, w, h = boxes.fuse(crowd, {}).boxes[0].box
    assert boxes.fuse(scaled, {}).boxes[0].box == pytest.approx((3 * x + 5, 3 * y + 5, 3 * w, 3 * h), abs=1e-3)


def test_a_worker_s_usual_offset_is_learned_and_taken_off():
    rng = np.random.default_rng(0)
    images = []
    for _ in range(60):
        x, y, w, h = rng.uniform(0, 300), rng.uniform(0, 300), rng.uniform(60, 90), rng.uniform(60, 90)
        drawn = [drawing(n, (x + rng.normal(), y + rng.normal(), w, h)) for n in range(4)]
        images.append([*drawn, drawing(4, (x - 0.1 * w, y, 1.1 * w, h))])
    hands = boxes.fit(images)
    assert hands[4].offset[0] < -0.05
    assert abs(hands[0].offset[0]) < 0.03
    [alone] = boxes.fuse([drawing(4, (92, 100, 88, 80))], hands).boxes
    assert alone.box[0] == pytest.approx(92 - hands[4].offset[0] * 88)


def test_who_draws_at_random_loses_the_vote():
    rng = np.random.default_rng(1)
    images = []
    for _ in range(60):
        there = (rng.uniform(0, 300), rng.uniform(0, 300), 60, 60)
        images.append([drawing(n, there) for n in range(4)] + [drawing(4, (rng.uniform(400, 900), 10, 50, 50))])
    hands = boxes.fit(images)
    assert hands[4].vote < 0.6 * hands[0].vote


def test_who_misnames_things_loses_the_vote_on_their_names():
    rng = np.random.default_rng(1)
    images = []
    for _ in range(60):
        place = tuple(rng.uniform(20, 200, 4))
        kinds = ["cat", "cat", "cat", "dog" if rng.random() < 0.8 else "cat"]
        images.append([drawing(n, place, category=kind) for n, kind in enumerate(kinds)])
    hands = boxes.fit(images)
    assert hands[3].vote < 0.6 < min(hands[n].vote for n in range(3))
    told = boxes.fuse([drawing(0, (10, 10, 40, 40)), drawing(3, (10, 10, 40, 40), category="dog")], hands)
    assert told.boxes[0].category == "cat"


def test_a_hand_survives_being_stored():
    hand = Hand(0.9, 0.1, 1.2, (0.01, 0.0, -0.02, 0.0), 0.04)
    assert Hand.read({"hand": {**hand.__dict__, "offset": list(hand.offset)}}) == hand
    assert Hand.read({}) == Hand()


def test_real_pedestrians_beat_the_median_of_clusters(shared_data):
    file = shared_data / "crowd" / "pedestrians_boxes" / "pedestrian_boxes.json"
    if not file.exists():
        pytest.skip(f"{file} is not there")
    drawn, experts = read_boxes(file)
    hands = boxes.fit(list(drawn.values()))
    found = {image: [box.box for box in boxes.fuse(drawn[image], hands).boxes] for image in experts}
    precision, recall, score, overlap = f1(found, experts)
    assert score > 0.9325
    assert overlap > 0.835
    assert precision > recall > 0.88


def test_whose_weight_was_lowered_moves_no_side_and_says_little_of_an_empty_image():
    good = [drawing(n, (10, 10, 40, 40)) for n in range(2)]
    bad = Drawn(2, [{"category": "cat", "box": [10, 10, 52, 52]}], weight=0.0)
    [box] = boxes.fuse([*good, bad], {}).boxes
    assert box.box == pytest.approx((10, 10, 40, 40), abs=0.1)
    empty = [Drawn(n, [], weight=0.0) for n in range(3)]
    assert boxes.fuse(empty, {}).confidence == pytest.approx(0.5)
    assert boxes.fuse([*empty, Drawn(3, [])], {}).confidence == boxes.fuse([Drawn(3, [])], {}).confidence
