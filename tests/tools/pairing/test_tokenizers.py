"""Tokenizers are compared by what they do to text: padding passes, another cut does not, added tokens are told apart."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from pathlib import Path
from typing import Any

import pytest
from stratos.state.errors import Correctable
from stratos.tools.pairing.tokenizers import compare_tokenizers, read_vocabulary, vocabulary_mapping

from .tiny import MARKS, bpe, folder, words


def test_a_padded_vocabulary_is_the_same_after_truncation() -> None:
    size = bpe().get_vocab_size()
    match = compare_tokenizers(bpe(), bpe(), teacher_rows=size + 128, student_rows=size + 7)
    assert (match.verdict, match.shared_ids, match.excluded_ids) == ("same", size, ())
    assert match.padded
    assert not match.problems


def test_equal_tokenizers_with_equal_rows_are_not_padded() -> None:
    size = bpe().get_vocab_size()
    match = compare_tokenizers(bpe(), bpe(), teacher_rows=size, student_rows=size)
    assert match.verdict == "same"
    assert not match.padded


def test_one_merge_more_is_found_on_text_though_no_probe_text_of_the_task_holds_it() -> None:
    match = compare_tokenizers(bpe(31), bpe(30), ["Zz"])
    assert match.verdict == "different"
    assert match.ordinary_only_teacher == 1
    assert match.first_difference is not None
    assert match.first_difference.teacher[0] != match.first_difference.student[0]
    assert match.shared_ids == 0


def test_words_against_bytes_are_different_with_the_text_and_both_cuts() -> None:
    match = compare_tokenizers(words("the", "cat"), bpe(), ["the cat sat"])
    assert match.verdict == "different"
    assert match.first_difference is not None
    assert match.first_difference.text == "the cat sat"
    assert match.first_difference.teacher == ("the", "cat", "<unk>")


def test_two_word_lists_that_know_no_probe_text_are_not_taken_for_the_same() -> None:
    match = compare_tokenizers(words("alpha", "beta"), words("gamma", "delta"))
    assert match.verdict == "different"


def test_a_permuted_vocabulary_has_a_mapping() -> None:
    one, other = bpe(), bpe(reverse=True)
    match = compare_tokenizers(one, other)
    assert match.verdict == "same_pieces"
    mapping = vocabulary_mapping(one, other)
    assert match.shared_ids == len(mapping)
    text = "the cat sat on 12 mats <|im_end|>"
    assert [mapping[at] for at in other.encode(text).ids] == one.encode(text).ids


def test_added_tokens_of_one_side_are_no_different_tokenizer() -> None:
    text = "<think>the cat</think> sat"
    match = compare_tokenizers(bpe(added=(*MARKS, "<think>", "</think>")), bpe(), [text])
    assert match.verdict == "same"
    assert match.added_only_teacher == ("<think>", "</think>")
    assert match.shared_ids == bpe().get_vocab_size()


def test_added_tokens_that_share_an_id_are_left_out_of_the_logits() -> None:
    match = compare_tokenizers(bpe(added=(*MARKS, "<think>", "<a>")), bpe(added=(*MARKS, "<tool>", "<a>")))
    at = bpe().get_vocab_size()
    assert match.verdict == "same"
    assert match.excluded_ids == (at,)
    assert (match.added_only_teacher, match.added_only_student) == (("<think>",), ("<tool>",))


def test_added_tokens_in_another_order_are_moved_and_left_out() -> None:
    match = compare_tokenizers(bpe(added=("<a>", "<b>")), bpe(added=("<b>", "<a>")))
    assert match.added_moved == ("<a>", "<b>")
    assert len(match.excluded_ids) == 2


def test_a_student_with_fewer_rows_than_tokens_is_a_problem_and_such_a_teacher_a_note() -> None:
    size = bpe().get_vocab_size()
    match = compare_tokenizers(bpe(), bpe(), teacher_rows=size - 2, student_rows=size - 1)
    (problem,), (note,) = match.problems, match.notes
    assert "the student's model" in problem
    assert str(size - 1) in problem
    assert "the teacher's model" in note
    assert match.shared_ids == size - 2


def test_a_folder_a_file_and_a_loaded_tokenizer_are_read_alike(tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    path = folder(tmp_path / "model", bpe())
    loaded = PreTrainedTokenizerFast(tokenizer_object=bpe())
    for source in (path, str(path), path / "tokenizer.json", loaded):
        assert compare_tokenizers(source, bpe()).verdict == "same"


def test_truncation_set_by_the_caller_hides_nothing_and_stays() -> None:
    short: Any = bpe()
    short.enable_truncation(2)
    assert compare_tokenizers(short, bpe(), ["the cat sat on the mat"]).verdict == "same"
    assert short.truncation["max_length"] == 2


def test_what_is_no_tokenizer_is_refused_with_what_is_valid(tmp_path: Path) -> None:
    with pytest.raises(Correctable, match=r"tokenizer\.json"):
        read_vocabulary(tmp_path)
    with pytest.raises(Correctable, match="valid are"):
        read_vocabulary(42)


def test_151936_against_152064_rows_of_one_tokenizer_is_fine() -> None:
    made = words(*(f"w{number}" for number in range(151_663)))
    match = compare_tokenizers(made, made, teacher_rows=152_064, student_rows=151_936)
    assert (match.verdict, match.shared_ids, match.excluded_ids, match.problems) == ("same", 151_665, (), ())
    assert match.padded
