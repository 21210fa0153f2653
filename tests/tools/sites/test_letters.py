"""What travels arrives as it was sent, in the bytes it says, and what is no letter is refused."""

import math

import numpy as np
import pytest
from stratos.tools.sites.letters import (
    Letter,
    Meter,
    packed_choice,
    packed_weights,
    unpacked_choice,
    unpacked_weights,
)


def test_a_letter_arrives_as_it_was_sent() -> None:
    sent = Letter(
        kind="importance",
        arrays={"units": np.arange(6, dtype=np.float16).reshape(2, 3)[:, ::2], "empty": np.zeros((0, 3))},
        facts={"examples": 700, "accuracy": 0.25, "name": "Zürich 東京", "last": True, "nothing": None},
    )
    got = Letter.from_bytes(sent.to_bytes())
    assert (got.kind, got.facts) == (sent.kind, sent.facts)
    assert {name: array.tolist() for name, array in got.arrays.items()} == {
        name: array.tolist() for name, array in sent.arrays.items()
    }
    assert got.arrays["units"].dtype == np.float16


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"hello",
        Letter(kind="x").to_bytes()[:-3],
        b"\xff" * 64,
        Letter(kind="x", arrays={"a": np.ones(9)}).to_bytes()[:-8],
    ],
)
def test_what_is_no_letter_is_refused(damaged: bytes) -> None:
    with pytest.raises(ValueError, match=f"{len(damaged)} bytes that are no letter"):
        Letter.from_bytes(damaged)


def test_a_file_without_a_kind_is_no_letter() -> None:
    from safetensors.numpy import save

    with pytest.raises(ValueError, match="that are no letter"):
        Letter.from_bytes(save({"a": np.ones(2)}))


def test_facts_are_numbers_that_json_knows() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        Letter(kind="x", facts={"loss": math.nan}).to_bytes()


def test_the_bytes_are_those_of_the_arrays_and_a_short_head() -> None:
    arrays = {"weights": np.zeros((100, 100), dtype=np.int8)}
    assert 10_000 < len(Letter(kind="x", arrays=arrays).to_bytes()) < 10_000 + 250


def test_weights_travel_in_a_quarter_of_the_bytes_within_half_a_step() -> None:
    rng = np.random.default_rng(0)
    weights = {
        "matrix": rng.normal(size=(64, 96)).astype(np.float32) * np.logspace(-3, 1, 64)[:, None].astype(np.float32),
        "patches": rng.normal(size=(8, 1, 2, 2)).astype(np.float32),
        "norm": rng.normal(size=96).astype(np.float32),
        "zero": np.zeros((3, 4), dtype=np.float32),
    }
    packed = packed_weights(weights)
    again = unpacked_weights(packed)
    assert again.keys() == weights.keys()
    for name in ("matrix", "patches"):
        rows, back = (each[name].reshape(len(each[name]), -1) for each in (weights, again))
        steps = np.abs(rows).max(axis=1, keepdims=True) / 127
        assert (np.abs(rows - back) <= steps * 0.55).all()  # 0.5, and what the scale loses as a half float
    assert np.allclose(again["norm"], weights["norm"], rtol=1e-3)
    assert not again["zero"].any()
    sizes = [sum(array.nbytes for array in each.values()) for each in (packed, weights)]
    assert sizes[0] / sizes[1] < 0.27


def test_four_bits_take_a_seventh_of_the_bytes_within_half_a_step() -> None:
    rng = np.random.default_rng(0)
    weights = {
        "matrix": rng.normal(size=(64, 96)).astype(np.float32),
        "odd": rng.normal(size=(5, 3, 7)).astype(np.float32),
        "norm": rng.normal(size=96).astype(np.float32),
        "zero": np.zeros((3, 4), dtype=np.float32),
    }
    packed = packed_weights(weights, bits=4)
    again = unpacked_weights(packed)
    assert {name: array.shape for name, array in again.items()} == {
        name: array.shape for name, array in weights.items()
    }
    groups, back = (each["matrix"].reshape(-1, 32) for each in (weights, again))
    assert (np.abs(groups - back) <= np.abs(groups).max(axis=1, keepdims=True) / 7 * 0.51).all()
    rows, back = (each["odd"].reshape(5, -1) for each in (weights, again))
    assert (np.abs(rows - back) <= np.abs(rows).max(axis=1, keepdims=True) / 7 * 0.51).all()
    assert not again["zero"].any()
    assert packed["matrix"].nbytes + packed["matrix.scale"].nbytes == 64 * 96 * 4.5 / 8
    assert Letter.from_bytes(Letter(kind="x", arrays=packed).to_bytes()).arrays["odd.shape"].tolist() == [5, 3, 7]


def test_a_choice_is_a_bit_a_unit() -> None:
    chosen = np.random.default_rng(0).random(1003) < 0.5
    packed = packed_choice(chosen)
    assert packed.nbytes == 126
    assert np.array_equal(unpacked_choice(packed, 1003), chosen)
    with pytest.raises(ValueError, match="a choice of 1100 units has 138 bytes"):
        unpacked_choice(packed, 1100)


def test_bytes_are_metered_by_site_and_direction() -> None:
    meter = Meter()
    for site, direction, length in (("a", "down", 10), ("a", "up", 3), ("b", "down", 5), ("a", "up", 4)):
        meter.count(site, direction, length)  # pyright: ignore[reportArgumentType]
    assert meter.bytes == {("a", "down"): 10, ("a", "up"): 7, ("b", "down"): 5}
    assert (meter.total("down"), meter.total("up"), meter.total(), meter.letters) == (15, 7, 22, 4)
