"""A site's file is read whole or refused with everything wrong with it, and split the same way every time."""

import json
from pathlib import Path

import numpy as np
import pytest
from stratos.state.errors import RequestError
from stratos.tools.sites.learning.examples import PARTS, Examples, read


def texts(path: Path, count: int = 40) -> Path:
    path.write_text("text,label\n" + "".join(f"text {row},{'ab'[row % 2]}\n" for row in range(count)), encoding="utf-8")
    return path


def rows(examples: Examples) -> set[str]:
    return set(examples.texts)


def test_texts_are_split_by_label_and_seed(tmp_path: Path) -> None:
    found = read(texts(tmp_path / "data.csv"), seed=3)
    assert found.names == ("a", "b")
    assert [len(found.parts[part]) for part in PARTS] == [28, 6, 6]
    assert [np.bincount(found.parts[part].labels).tolist() for part in PARTS] == [[14, 14], [3, 3], [3, 3]]
    every = [rows(found.parts[part]) for part in PARTS]
    assert sum(map(len, every)) == len(set[str]().union(*every)) == 40
    again, other = read(tmp_path / "data.csv", seed=3), read(tmp_path / "data.csv", seed=4)
    assert again.parts["test"].texts == found.parts["test"].texts
    assert other.parts["test"].texts != found.parts["test"].texts
    assert all(
        int(text.split()[1]) % 2 == label
        for text, label in zip(found.parts["test"].texts, found.parts["test"].labels, strict=True)
    )


def test_json_lines_and_two_columns_of_any_name(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(
        "".join(json.dumps({"q": f"q{row}", "intent": row % 3}) + "\n" for row in range(30)), encoding="utf-8"
    )
    assert read(path, 0).names == ("0", "1", "2")


def test_prompts_and_answers_of_sites_that_write(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    lines = "".join(f"{row},what is {row},it is {row}\n" for row in range(40))
    path.write_text("number,prompt,answer\n" + lines, encoding="utf-8")
    found = read(path, 3, "texts")
    assert found.names == ()
    assert [len(found.parts[part]) for part in PARTS] == [28, 6, 6]
    train = found.parts["train"]
    assert all(
        answer == text.replace("what is", "it is") for text, answer in zip(train.texts, train.answers, strict=True)
    )
    assert train.bytes == sum(len(text) + len(answer) for text, answer in zip(train.texts, train.answers, strict=True))
    assert read(path, 3, "texts").parts["test"].texts == found.parts["test"].texts


def test_what_sites_that_write_cannot_learn_from_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("prompt,answer\nx,y\nz,w\n", encoding="utf-8")
    with pytest.raises(RequestError, match="2 rows, at least 3 are needed"):
        read(path, 0, "texts")
    path.write_text("a,b,c\n1,2,3\n", encoding="utf-8")
    with pytest.raises(RequestError, match="or prompt and answer, or two columns alone"):
        read(path, 0, "texts")
    np.savez(tmp_path / "data.npz", pixels=np.zeros((6, 8, 8)), labels=[0, 1] * 3)
    with pytest.raises(RequestError, match="pictures have labels, not texts for answers"):
        read(tmp_path / "data.npz", 0, "texts")


@pytest.mark.parametrize("shape", [(12, 8, 8), (12, 3, 8, 8)])
def test_images_with_and_without_channels(shape: tuple[int, ...], tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", pixels=np.arange(np.prod(shape)).reshape(shape), labels=[3, 4] * 6)
    found = read(tmp_path / "data.npz", 0)
    pixels = found.parts["train"].pixels
    assert pixels is not None
    assert (pixels.shape[1:], pixels.dtype) == ((3 if len(shape) == 4 else 1, 8, 8), np.float32)
    assert found.names == ("3", "4")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("text,label\n", "no row"),
        ("text,label\nhello,\n,b\nx,a\n", "2 rows without text or label: 1, 2"),
        ("a,b,c\n1,2,3\n", "columns a, b, c; text and label are wanted"),
        ("text,label\n" + "x,a\n" * 5, "1 label, at least two are needed"),
        ("text,label\n" + "x,a\n" * 5 + "y,b\nz,c\n", "fewer than 3 examples of 'b', 'c'"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(content: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(RequestError, match=problem):
        read(path, 0)


def test_all_that_is_wrong_with_images_is_told_together(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, pixels=np.full((3, 2), np.nan), labels=[1, 2])
    with pytest.raises(RequestError) as caught:
        read(path, 0)
    assert [problem.split(": ")[1].split(",")[0] for problem in caught.value.problems] == [
        "pixels of shape (3",
        "3 images and 2 labels",
        "pixels that are no numbers",
    ]
    np.savez(path, images=np.zeros(3))
    with pytest.raises(RequestError, match="no array pixels and no labels; it has images"):
        read(path, 0)
