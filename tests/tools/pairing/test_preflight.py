"""The pre-flight: padded pairs pass, other tokenizers are routed, licences and memory refuse with their figures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from stratos.state.model_facts import ModelFacts, Score
from stratos.tools.pairing.chat import ChatFiles, render
from stratos.tools.pairing.licences import Use
from stratos.tools.pairing.memory import Setup, needs
from stratos.tools.pairing.preflight import PairCheck, Side, check_pair

from .tiny import CHATML, MARKS, bpe, facts, folder, words


@dataclass(frozen=True)
class Terms:
    """A licence as the pre-flight needs it."""

    name: str = "Apache License 2.0"
    spdx: str | None = "Apache-2.0"
    commercial: object = True
    outputs_may_train: Literal["yes", "with_conditions", "no"] = "yes"
    condition: str = ""


FREE = Terms()
SIZE = bpe().get_vocab_size()
TEACHER, STUDENT = facts("big", padded_vocabulary=SIZE + 128), facts("small", padded_vocabulary=SIZE)


def checked(teacher: Side | None = None, student: Side | None = None, **options: Any) -> PairCheck:
    sides = teacher or Side(facts=TEACHER, tokenizer=bpe()), student or Side(facts=STUDENT, tokenizer=bpe())
    given: dict[str, Any] = {"terms": FREE, **options}
    return check_pair(*sides, ["the cat"], **given)


def test_a_padded_pair_is_accepted_and_told_how() -> None:
    check = checked()
    assert (check.verdict, check.methods) == ("ok", ("logit", "logit_offline", "sequence_level"))
    assert f"{SIZE + 128} against {SIZE} rows" in check.why
    assert any("truncated" in note for note in check.notes)


def test_a_different_tokenizer_is_routed_across_tokenizers_with_the_text_that_shows_it() -> None:
    check = checked(student=Side(facts=STUDENT, tokenizer=words("the", "cat")))
    assert (check.verdict, check.methods) == ("cross_tokenizer", ("cross_tokenizer", "sequence_level"))
    assert "'the cat' is cut" in check.why


def test_an_api_teaches_by_its_texts() -> None:
    check = checked(teacher=Side(facts=facts("provider/model", kind="api")))
    assert (check.verdict, check.methods) == ("sequence_level", ("sequence_level",))


def test_tokenizers_that_are_not_at_hand_are_not_taken_for_equal() -> None:
    check = checked(teacher=Side(facts=TEACHER))
    assert check.verdict == "sequence_level"
    (point,) = check.open_points
    assert point.startswith("tokenizers not compared: no files of big; the teacher's text alone can be used")


def test_an_api_teachers_tokenizer_stays_an_open_point_too() -> None:
    (point,) = checked(teacher=Side(facts=facts("provider/model", kind="api"))).open_points
    assert point.startswith("tokenizers not compared: no files of provider/model: name a folder")


def scored(name: str, parameters: int, **scores: float) -> Side:
    known = {benchmark: Score(value=value, source="test") for benchmark, value in scores.items()}
    return Side(facts=facts(name, parameters=parameters, scores=known))


def test_a_smaller_teacher_is_told_and_a_smaller_and_weaker_one_refused_by_name() -> None:
    student = scored("student", 7_000_000_000, gsm8k=0.9, mmlu=0.7)
    smaller = checked(teacher=scored("new", 3_000_000_000, gsm8k=0.95, mmlu=0.6), student=student)
    assert "new is smaller than its student student: 3.00B against 7.00B" in smaller.notes
    weaker = checked(teacher=scored("old", 70_000_000_000, gsm8k=0.5), student=student)
    assert (
        "old is weaker than its student student on every benchmark that both have: gsm8k 50.0% against 90.0%"
        in weaker.notes
    )
    both = checked(teacher=scored("tiny", 500_000_000, gsm8k=0.3, mmlu=0.4), student=student)
    assert both.verdict == "refused"
    assert "tiny is smaller than its student student" in both.why


def test_judged_answers_go_before_size_and_benchmarks() -> None:
    student, teacher = scored("student", 7_000_000_000, gsm8k=0.9), scored("tiny", 500_000_000, gsm8k=0.3)
    check = checked(teacher=teacher, student=student, answers_judged=True)
    assert check.verdict == "sequence_level"
    assert len([note for note in check.notes if note.startswith("tiny is ")]) == 2


def test_a_licence_that_forbids_training_on_outputs_is_refused_by_name_with_its_gist() -> None:
    terms = Terms(name="Closed Model Terms", spdx=None, outputs_may_train="no", condition="no competing models")
    check = checked(terms=terms)
    assert (check.verdict, check.methods) == ("refused", ())
    assert "Closed Model Terms" in check.why
    assert "no competing models" in check.why


def test_a_licence_outside_the_brief_is_refused_and_one_within_is_not() -> None:
    assert "not among those allowed (MIT)" in checked(use=Use(licences=("MIT",))).why
    assert checked(use=Use(licences=("apache-2.0",))).verdict == "ok"
    assert checked(terms=None, use=Use(licences=("MIT",))).verdict == "refused"


@pytest.mark.parametrize(("commercial", "verdict", "notes"), [(True, "refused", 0), (None, "ok", 1), (False, "ok", 0)])
def test_a_non_commercial_licence_counts_where_the_use_is_commercial(
    commercial: bool | None, verdict: str, notes: int
) -> None:
    terms = Terms(name="CC BY-NC 4.0", spdx="CC-BY-NC-4.0", commercial=False)
    check = checked(terms=terms, use=Use(commercial=commercial))
    assert check.verdict == verdict
    assert sum("CC BY-NC 4.0" in note for note in check.notes) == notes


def test_a_condition_is_a_note() -> None:
    terms = Terms(name="Llama 3.1", outputs_may_train="with_conditions", condition="the name begins with Llama")
    check = checked(terms=terms)
    assert check.verdict == "ok"
    assert any("the name begins with Llama" in note for note in check.notes)


def sized(name: str, billions: float) -> ModelFacts:
    return facts(
        name, parameters=round(billions * 1e9), layers=28, hidden=2048, heads=16, kv_heads=8, feed_forward=6144,
        padded_vocabulary=SIZE,
    )  # fmt: skip


def test_logits_are_stored_beforehand_where_the_two_do_not_fit_together() -> None:
    sides = Side(facts=sized("14B", 14), tokenizer=bpe()), Side(facts=sized("1.5B", 1.5), tokenizer=bpe())
    check = checked(*sides, setup=Setup(memory_gib=48))
    assert check.methods == ("logit_offline", "sequence_level")
    assert "do not fit together" in check.why
    assert any("over 43.2 (90% of 48)" in note for note in check.notes)


def test_a_pair_that_fits_no_way_is_refused_with_the_arithmetic() -> None:
    sides = Side(facts=sized("70B", 70), tokenizer=bpe()), Side(facts=sized("1.5B", 1.5), tokenizer=bpe())
    check = checked(*sides, setup=Setup(memory_gib=24))
    assert check.verdict == "refused"
    assert "teacher 130.9" in check.why


def test_memory_worked_out_on_paper() -> None:
    teacher = facts("t", parameters=2**30, hidden=1024, padded_vocabulary=1024)
    student = facts("s", parameters=2**26, hidden=512, layers=4, padded_vocabulary=1024)
    together, apart = needs(teacher, student, Setup(batch_tokens=1024), ("logit", "logit_offline"))
    # Teacher: 2 GiB, one layer 1024 x 1024 x 34, logits 1024 x 1024 x 6. Student: 1 GiB, 1024 x 512 x (8 + 34), logits x 10.
    reading, training = 2 + 40 / 1024, 1 + (21 + 10) / 1024
    assert together.gib == pytest.approx(reading + training)
    assert apart.gib == pytest.approx(max(reading, training))
    assert together.fits is None


def test_adapters_need_less_than_every_weight_and_an_unknown_size_is_not_guessed() -> None:
    student = sized("1.5B", 1.5)
    full, lora = (
        needs(sized("7B", 7), student, Setup(lora_rank=rank), ("sequence_level", "logit"))[1].gib for rank in (None, 16)
    )
    assert full is not None
    assert lora is not None
    assert full - lora == pytest.approx(14 * 1.5e9 / 2**30, rel=0.02)
    assert needs(facts("?"), student, Setup(memory_gib=1), ("logit",))[0].fits is None


def sides(tmp_path: Path, student_marks: tuple[str, ...], **student: Any) -> PairCheck:
    teacher = folder(tmp_path / "t", bpe(), {"chat_template": CHATML}, stop=[SIZE - 1, SIZE - 3])
    own = folder(tmp_path / "s", bpe(added=student_marks), **student)
    return checked(Side.from_folder(TEACHER, teacher), Side.from_folder(STUDENT, own))


def test_a_student_without_a_template_gets_the_teachers_where_it_knows_the_marks(tmp_path: Path) -> None:
    knows = sides(tmp_path / "a", MARKS).chat
    lacks = sides(tmp_path / "b", ("<|endoftext|>",)).chat
    assert knows is not None
    assert lacks is not None
    assert (knows.verdict, knows.use) == ("student_missing", "teacher's")
    assert (lacks.verdict, lacks.use) == ("student_missing", "plain")


def test_templates_that_differ_say_where(tmp_path: Path) -> None:
    settings = {"chat_template": CHATML.replace("assistant", "model")}
    chat = sides(tmp_path, MARKS, settings=settings).chat
    assert chat is not None
    assert chat.verdict == "differs"
    assert "assistant" in chat.difference
    assert "model" in chat.difference


def test_a_template_that_takes_no_conversation_is_not_called_the_same(tmp_path: Path) -> None:
    broken = {"chat_template": "{{ raise_exception('no') }}"}
    one, other = (Side.from_folder(TEACHER, folder(tmp_path / name, bpe(), broken)) for name in "ts")
    chat = checked(one, other).chat
    assert chat is not None
    assert "refuses every conversation" in chat.difference


def test_a_stop_the_student_does_not_have_is_cut_and_one_it_does_not_use_is_added(tmp_path: Path) -> None:
    lacks = sides(tmp_path / "a", ("<|endoftext|>",), stop=SIZE - 3).stops
    knows = sides(tmp_path / "b", MARKS, stop=SIZE - 3).stops
    assert lacks is not None
    assert knows is not None
    assert "cut it from the teacher's texts and end them with '<|endoftext|>'" in lacks.notes[0]
    assert f"add {SIZE - 1} to eos_token_id" in knows.notes[0]
    assert (lacks.verdict, knows.verdict) == ("mend", "mend")


def test_equal_stops_need_no_mending_and_none_at_all_is_told(tmp_path: Path) -> None:
    same = sides(tmp_path / "a", MARKS, stop=[SIZE - 1, SIZE - 3]).stops
    none = sides(tmp_path / "b", MARKS).stops
    assert same is not None
    assert none is not None
    assert (same.verdict, same.notes) == ("same", ())
    assert none.verdict == "no_stop"


def test_a_template_is_rendered_as_transformers_does() -> None:
    from transformers import PreTrainedTokenizerFast

    template = (
        "{{- bos_token }}\n{% for m in messages %}\n    {%- if m.role == 'assistant' %}\n{% generation %}{{ m.content }}"
        "{% endgeneration %}\n    {%- else %}\n{{ m | tojson }}\n    {%- endif %}\n{% endfor %}"
    )
    messages = [{"role": "user", "content": "a <b> é"}, {"role": "assistant", "content": "c"}]
    theirs: Any = PreTrainedTokenizerFast(tokenizer_object=bpe(), bos_token="<|endoftext|>", chat_template=template)
    ours = render(ChatFiles(template=template, special_tokens={"bos_token": "<|endoftext|>"}), messages)
    assert ours == theirs.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)


def test_a_template_cannot_reach_out_of_its_sandbox() -> None:
    from jinja2 import TemplateError

    with pytest.raises(TemplateError):
        render(ChatFiles(template="{{ messages.__class__.__mro__ }}"), [{"role": "user", "content": "a"}])
