"""GRACE against sums worked out by hand, the authors' formula written out again, and laws that any such score keeps."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stratos.tools.pairing.grace import dimension_for, grace, score_teacher
from stratos.tools.pairing.gradients import answer_gradients, encode_answers, load_student

from .tiny import CHATML, bpe, llama

ROWS = [([5, 6, 7, 8, 9, 1], 3), ([5, 6, 10, 11, 1], 2), ([5, 12, 13, 1], 2)]


def drawn(
    count: int = 80, dimension: int = 6, seed: int = 0, scale: float = 1.0
) -> np.ndarray[Any, np.dtype[np.float64]]:
    return scale * np.random.default_rng(seed).normal(size=(count, dimension))


def test_two_prompts_worked_out_on_paper() -> None:
    # Fold 1 holds out (3, 4), trains on (2, 0): T = diag(1, 0), smoothed by s = 0.5 to diag(0.75, 0.25): 9 / 0.75 + 16 / 0.25 = 76.
    # Fold 2 holds out (2, 0), trains on the unit row (0.6, 0.8): the smoothed inverse is I / 0.25 - (1 / 0.25 - 1 / 0.75) u u'
    # with u = (0.6, 0.8): 4 x (4 - 8/3 x 0.36) = 12.16.
    found = grace(np.array([[3.0, 4.0], [2.0, 0.0]]), smoothing=0.5)
    assert found.score == pytest.approx((76 + 12.16) / 2)
    assert found.g_norm == pytest.approx((25 + 4) / 2)
    assert found.folds == 2


def test_it_is_the_authors_trace_over_the_same_folds() -> None:
    rows, smoothing = drawn(20), 1e-3
    expected: list[Any] = []
    for at in range(20):  # as many folds as answers: the folds are then the same whatever their order
        train, test = rows[np.arange(20) != at], rows[at : at + 1]
        train = train / np.linalg.norm(train, axis=1, keepdims=True)
        moment = train.T @ train / len(train)
        smoothed = (1 - smoothing) * moment + smoothing * moment.diagonal().mean() * np.eye(6)
        inverse: Any = np.linalg.inv(smoothed)
        expected.append(np.einsum("ij,ji->", inverse, test.T @ test))
    assert grace(rows, folds=20).score == pytest.approx(np.mean(expected))


def test_even_directions_have_the_entropy_of_their_number() -> None:
    assert grace(np.tile(np.eye(4), (3, 1))).g_vendi == pytest.approx(np.log(4))


def test_gradients_twice_as_long_score_four_times_as_high_and_are_as_diverse() -> None:
    one, two = grace(drawn()), grace(drawn(scale=2.0))
    assert two.score == pytest.approx(4 * one.score)
    assert two.g_norm == pytest.approx(4 * one.g_norm)
    assert two.g_vendi == pytest.approx(one.g_vendi)


def test_outlying_directions_cost_more_than_an_even_spread_of_the_same_size() -> None:
    even = drawn(200)
    spiky = even * np.array([1, 1, 1, 1, 1, 0.02])
    spiky[::20, 5] = 5.0
    even, spiky = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (even, spiky))
    assert grace(spiky).score > grace(even).score


def test_a_common_direction_is_bias_and_noise_about_zero_is_variance() -> None:
    noise = drawn(400)
    common, around = grace(noise + 10), grace(noise)
    assert common.bias / common.variance > 10 * around.bias / around.variance
    assert common.bias == pytest.approx(
        600, rel=0.05
    )  # six coordinates of 10, along the one direction that every answer has
    assert common.score == pytest.approx(common.bias + common.variance, rel=0.05)


def test_answers_to_one_prompt_are_held_out_together() -> None:
    rows = np.repeat(drawn(20, dimension=16), 4, axis=0)
    together = grace(rows, prompts=[at // 4 for at in range(80)])
    apart = grace(rows)
    assert together.score > apart.score  # a copy in the training part makes a held-out answer look expected


def test_what_is_no_set_of_gradients_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        grace(np.array([[1.0, np.nan], [0.0, 1.0]]))
    with pytest.raises(ValueError, match="too few"):
        grace(drawn(4), prompts=[0, 0, 0, 0])


def test_a_dimension_has_four_answers() -> None:
    assert [dimension_for(answers) for answers in (10, 64, 2048, 100_000)] == [8, 16, 512, 512]


def test_the_projection_keeps_lengths_and_angles_of_true_gradients() -> None:
    model = llama(32)
    weights = list(model.parameters())
    true: list[Any] = []
    for ids, given in ROWS:
        labels = torch.tensor([[-100] * given + list(ids[given:])])
        loss = model(input_ids=torch.tensor([ids]), labels=labels).loss
        true.append(torch.cat([one.reshape(-1) for one in torch.autograd.grad(loss, weights)]))
    exact = torch.stack(true) @ torch.stack(true).T
    found = answer_gradients(model, ROWS, dimension=4096, length_scale="none").projected
    assert found @ found.T == pytest.approx(exact.numpy(), rel=0.1, abs=0.05 * float(exact.diagonal().max()))


def test_the_length_of_the_answer_scales_its_gradient_by_its_logarithm() -> None:
    plain, scaled = (answer_gradients(llama(32), ROWS, dimension=16, length_scale=scale) for scale in ("none", "log"))
    factors = np.linalg.norm(scaled.projected, axis=1) / np.linalg.norm(plain.projected, axis=1)
    assert factors == pytest.approx(np.log([3, 3, 2]))


def test_the_same_seed_gives_the_same_sketch_and_another_seed_another() -> None:
    one, again, other = (answer_gradients(llama(32), ROWS, dimension=16, seed=seed).projected for seed in (1, 1, 2))
    assert (one == again).all()
    assert not (one == other).any(axis=None)


def test_losses_are_those_of_the_answers_alone() -> None:
    model = llama(32)
    ids, given = ROWS[0]
    labels = torch.tensor([[-100] * given + list(ids[given:])])
    with torch.no_grad():
        expected = model(input_ids=torch.tensor([ids]), labels=labels).loss.item()
    assert answer_gradients(model, ROWS, dimension=16).losses[0] == pytest.approx(expected, rel=1e-5)


def test_an_answer_without_a_token_is_refused() -> None:
    with pytest.raises(ValueError, match="behind its prompt"):
        answer_gradients(llama(32), [([5, 6], 2)])


def test_any_saved_model_is_scored_on_texts_in_its_own_chat_template(tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    tokenizer: Any = PreTrainedTokenizerFast(
        tokenizer_object=bpe(), eos_token="<|im_end|>", chat_template=CHATML, clean_up_tokenization_spaces=False
    )
    llama(len(tokenizer)).save_pretrained(tmp_path)
    ((ids, given),) = rows = encode_answers(tokenizer, [("the cat", "sat on")])
    assert tokenizer.decode(ids[:given]) == "<|im_start|>user\nthe cat<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer.decode(ids[given:]) == "sat on<|im_end|>"
    assert np.abs(answer_gradients(load_student(tmp_path), rows, dimension=8).projected).sum() > 0


def test_a_teacher_who_writes_what_the_student_already_says_scores_better_than_one_who_does_not() -> None:
    model = llama(32, seed=3)
    chance = np.random.default_rng(0)
    own: list[tuple[list[int], int]] = []
    for _ in range(40):
        ids = chance.integers(4, 32, size=3).tolist()
        for _ in range(5):
            with torch.no_grad():
                ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
        own.append((ids, 3))
    foreign = [([*ids[:3], *chance.integers(4, 32, size=5).tolist()], 3) for ids, _ in own]
    assert score_teacher(model, own).score < score_teacher(model, foreign).score
