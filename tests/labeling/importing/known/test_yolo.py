"""YOLO of other writers: wherever they put the names of the classes, and however they write a line."""

from __future__ import annotations

import itertools

import pytest

from labeling.importing.known import Known, Refused, UnreadableError
from labeling.importing.known.yolo import class_names
from tests.labeling.importing.conftest import packed, read


@pytest.mark.parametrize(
    "text",
    ["names: [cat, 'dog house']", 'names:\n- cat\n- "dog house"\n', "nc: 2\nnames:\n  0: cat\n  1: dog house\n"],
)
def test_the_three_ways_of_writing_class_names_are_one(text):
    assert class_names(text) == {0: "cat", 1: "dog house"}


def test_yolo_reads_classes_txt_where_there_is_no_yaml():
    data = packed({"classes.txt": "cat\ndog\n", "labels/train/a.txt": "1 0.5 0.5 0.2 0.4\n"})
    assert read("yolo", data) == [
        Known("train/a", [{"category": "dog", "box": [0.5, 0.5, 0.2, 0.4]}], relative=True, boxed=True)
    ]


@pytest.mark.parametrize(
    "text",
    ["names: ['cat, big', dog]", "names:\n  0: cat, big # a tom\n  1: dog\n", 'names: {0: "cat, big", 1: dog}'],
)
def test_a_class_may_hold_a_comma_and_a_line_a_comment(text):
    assert class_names(text) == {0: "cat, big", 1: "dog"}


def test_a_class_that_looks_like_something_else_is_text():
    assert class_names('names: [yes, 01, null, "\\ud83d\\ude00"]') == {0: "yes", 1: "01", 2: "null", 3: "😀"}


def test_class_names_that_grow_without_bound_are_refused_before_they_do():
    """Nine lists of ten aliases each would be a text of gigabytes."""
    lists = ["a: &a [l, l, l, l, l, l, l, l, l, l]"]
    lists += [f"{one}: &{one} [{', '.join(10 * [f'*{last}'])}]" for last, one in itertools.pairwise("abcdefghi")]
    with pytest.raises(UnreadableError, match="expected the name of a class"):
        class_names("\n".join([*lists, "names: [*i]"]))
    with pytest.raises(UnreadableError, match="more than 2 MB"):
        class_names("names: [" + "cat, " * 500_000 + "]")


def test_yolo_takes_the_labels_of_each_split_and_no_file_beside_them():
    data = packed(
        {
            "data.yaml": "names: [cat]", "hyp.yaml": "lr: 0.1", "README.dataset.txt": "Taken from the web.",
            "train/labels/a.txt": "0 0.5 0.5 0.2 0.4", "labels/val/a.txt": "",
        }
    )  # fmt: skip
    assert [(known.image, len(known.answer)) for known in read("yolo", data)] == [("train/a", 1), ("val/a", 0)]


def test_a_class_may_be_written_as_a_number_with_a_fraction_as_numpy_does():
    lines = "1.000000e+00 0.5 0.5 0.1 0.1\n0.0 0.5 0.5 0.1 0.1"
    (known,) = read("yolo", packed({"data.yaml": "names: [cat, dog]", "labels/a.txt": lines}))
    assert [item["category"] for item in known.answer] == ["dog", "cat"]


@pytest.mark.parametrize(
    "line",
    [
        "0.5 0.5 0.5 0.1 0.1",
        "inf 0.5 0.5 0.1 0.1",
        "7 0.5 0.5 0.1 0.1",
        "cat 0.5 0.5 0.1 0.1",
        "0 x y w h",
        "0 0.5 0.5",
        "0 0.1 0.1 0.2 0.2 0.3 0.3 0.4",
    ],
)
def test_yolo_names_the_line_that_is_no_box(line):
    good = "0 0.5 0.5 0.1 0.1"
    found = read("yolo", packed({"data.yaml": "names: [cat]", "labels/a.txt": line, "labels/b.txt": good}))
    assert [type(part) for part in found] == [Refused, Known]
    assert (found[0].where, found[1].image) == ("labels/a.txt", "b")
    assert "line 1" in found[0].why


def test_yolo_without_class_names_says_what_is_missing():
    with pytest.raises(UnreadableError, match=r"data\.yaml"):
        read("yolo", packed({"labels/a.txt": "0 0.5 0.5 0.1 0.1"}))


@pytest.mark.parametrize("names", ["obj.names", "cfg/coco.names", "obj_train_data/_darknet.labels"])
def test_yolo_reads_the_names_that_darknet_cvat_and_roboflow_write(names):
    data = packed(
        {
            "obj.data": "names = data/obj.names", names: "cat\ndog\n", "train.txt": "data/obj_train_data/a.jpg",
            "obj_train_data/a.txt": "1 0.5 0.5 0.2 0.4\n",
        }
    )  # fmt: skip
    assert read("yolo", data) == [
        Known("obj_train_data/a", [{"category": "dog", "box": [0.5, 0.5, 0.2, 0.4]}], relative=True, boxed=True)
    ]


@pytest.mark.parametrize(
    ("yaml", "line"),
    [
        ("names: [cat]", "0 0.4 0.3 0.6 0.3 0.6 0.7 0.4 0.7"),
        ("names: [cat]", "0 0.5 0.3 0.6 0.7 0.4 0.7"),
        ("names: [cat]\nkpt_shape: [2, 2]", "0 0.5 0.5 0.2 0.4 0.45 0.45 0.55 0.55"),
        ("names: [cat]\nkpt_shape: [1, 3]", "0 0.5 0.5 0.2 0.4 0.45 0.45 2"),
    ],
)
def test_a_polygon_is_the_box_around_it_and_the_points_of_a_pose_are_passed_over(yaml, line):
    (known,) = read("yolo", packed({"data.yaml": yaml, "labels/a.txt": line}))
    assert known.answer[0]["box"] == pytest.approx([0.5, 0.5, 0.2, 0.4])
