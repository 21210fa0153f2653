"""What travels arrives as it was sent, in the bytes it says, and what is no letter is refused."""

import math
import zlib
from typing import Any

import numpy as np
import pytest
from stratos.tools.sites.loop.letters import (
    Bits,
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


def weights_of_a_model() -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(64, 128)) * np.logspace(-3, 1, 64)[:, None]
    made = {
        "matrix": rows,
        "odd": rng.normal(size=(5, 3, 7)),
        "norm": rng.normal(size=96),
        "zero": np.zeros((3, 4)),
        "bias": rng.normal(size=5),
    }
    return {name: array.astype(np.float32) for name, array in made.items()}


@pytest.mark.parametrize(("bits", "group", "most"), [(8, 128, 0.26), (6, 64, 0.2), (5, 32, 0.17), (4, 32, 0.14)])
def test_weights_travel_in_few_bits_within_half_a_step(bits: Bits, group: int, most: float) -> None:
    weights = weights_of_a_model()
    shapes = {name: array.shape for name, array in weights.items()}
    packed = packed_weights(weights, bits)
    sent = Letter.from_bytes(Letter(kind="x", arrays=packed).to_bytes()).arrays
    again = unpacked_weights(sent, shapes, bits)
    assert {name: array.shape for name, array in again.items()} == shapes
    levels = 2 ** (bits - 1) - 1
    groups, back = (each["matrix"].reshape(-1, group) for each in (weights, again))
    assert (np.abs(groups - back) <= np.abs(groups).max(axis=1, keepdims=True) * 2 ** (1 / 8) / levels / 1.99).all()
    assert np.abs(weights["odd"] - again["odd"]).max() <= np.abs(weights["odd"]).max() * 2 ** (1 / 8) / levels / 1.99
    for name in ("norm", "bias"):
        assert np.allclose(again[name], weights[name], rtol=1e-3)
    assert not again["zero"].any()
    sizes = [sum(array.nbytes for array in each.values()) for each in (packed, weights)]
    assert sizes[0] / sizes[1] < most


def test_weights_of_another_model_are_refused() -> None:
    weights = weights_of_a_model()
    packed = packed_weights(weights, 4)
    shapes = {name: array.shape for name, array in weights.items()}
    for wrong in ({"matrix": (64, 96)}, {"norm": (95,)}, {"more": (40, 40)}):
        with pytest.raises(ValueError, match="not those of the model"):
            unpacked_weights(packed, shapes | wrong, 4)
    with pytest.raises(ValueError, match="bytes that are not coded"):
        unpacked_weights(packed | {"steps": packed["steps"][5:]}, shapes, 4)


def test_steps_that_would_fill_the_memory_are_not_unpacked() -> None:
    bomb = np.frombuffer(zlib.compress(bytes(50_000_000)), dtype=np.uint8)
    packed = packed_weights({"matrix": np.ones((4, 8), dtype=np.float32)}, 4)
    with pytest.raises(ValueError, match="not those of the model: 33 bytes of steps"):
        unpacked_weights(packed | {"steps": bomb}, {"matrix": (4, 8)}, 4)


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
