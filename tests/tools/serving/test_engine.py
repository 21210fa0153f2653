"""The CPU engine: same answers as transformers, mixed batches, stops, seeds, and a conversion that can be trusted."""

import random
import shutil
import subprocess
import sys
import time
import weakref
from pathlib import Path
from typing import Any

import pytest
from stratos.state.errors import Correctable
from stratos.tests.tools.serving import tiny_model
from stratos.tools.serving import cpu_engine
from stratos.tools.serving.conversion import CACHE_FOLDER, converted, fingerprint
from stratos.tools.serving.engine import Call, Engine, PromptError, PromptTooLongError, Settings, open_engine

END = 2


def prompts(count: int, seed: int = 0) -> list[list[int]]:
    rng = random.Random(seed)
    return [[1, *(rng.randrange(6, 64) for _ in range(rng.randrange(2, 30)))] for _ in range(count)]


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_greedy_answers_are_those_of_transformers(tmp_path: Path, kind: str) -> None:
    folder = tiny_model.make(tmp_path, kind="qwen3" if kind == "qwen3" else "llama")
    answers = open_engine(folder).generate(prompts(20), Settings(max_tokens=20))
    assert [list(answer.token_ids) for answer in answers] == tiny_model.reference(folder, prompts(20), 20)
    reasons = [("stop" if answer.token_ids[-1] == END else "length") for answer in answers]
    assert [answer.finish_reason for answer in answers] == reasons
    assert set(reasons) == {"stop", "length"}


def test_many_prompts_come_back_in_order_with_progress(engine: Engine) -> None:
    seen: list[tuple[int, int]] = []

    def note(done: int, total: int) -> None:
        seen.append((done, total))

    many = engine.generate(prompts(50), Settings(max_tokens=8), batch_size=16, on_progress=note)
    alone = [engine.complete([Call(prompt=p, settings=Settings(max_tokens=8))])[0] for p in prompts(50)]
    assert many == alone
    assert seen == [(16, 50), (32, 50), (48, 50), (50, 50)]


def test_no_prompts_give_no_answers(engine: Engine) -> None:
    assert engine.generate([], Settings()) == []


def test_two_threads_give_the_same_answers(engine: Engine, model_dir: Path) -> None:
    two = open_engine(model_dir, threads=2).generate(prompts(30), Settings(max_tokens=8), batch_size=4)
    assert two == engine.generate(prompts(30), Settings(max_tokens=8))


def test_calls_of_one_batch_keep_their_own_limits(endless: Engine) -> None:
    calls = [Call(prompt=p, settings=Settings(max_tokens=n)) for n, p in enumerate(prompts(9), start=1)]
    assert [answer.completion_tokens for answer in endless.complete(calls)] == list(range(1, 10))


def test_end_token_is_counted_but_not_written(engine: Engine) -> None:
    ended = next(a for a in engine.generate(prompts(40), Settings(max_tokens=24)) if a.finish_reason == "stop")
    assert ended.completion_tokens == len(ended.text.split()) + 1


def test_stop_string_cuts_the_text_and_ends_the_answer(endless: Engine) -> None:
    prompt = prompts(1)[0]
    whole = endless.complete([Call(prompt=prompt, settings=Settings(max_tokens=20))])[0].text
    word = next(w for w in whole.split()[3:] if whole.index(w) > 6)
    cut = endless.complete([Call(prompt=prompt, settings=Settings(max_tokens=20, stop=("never", word)))])[0]
    assert cut.text == whole[: whole.index(word)]
    assert cut.finish_reason == "stop"
    assert cut.completion_tokens < 20


def test_streamed_pieces_join_to_the_answer(endless: Engine) -> None:
    pieces: list[str] = []
    settings = Settings(max_tokens=20, stop=("w99",))
    answer = endless.complete([Call(prompt=prompts(1)[0], settings=settings, on_text=pieces.append)])[0]
    assert "".join(pieces) == answer.text
    assert len(pieces) > 10


def test_a_seed_repeats_a_sampled_answer(endless: Engine) -> None:
    def answer(seed: int | None) -> str:
        settings = Settings(max_tokens=16, temperature=1.5, seed=seed)
        return endless.complete([Call(prompt=prompts(1)[0], settings=settings)])[0].text

    assert answer(7) == answer(7) != answer(8)
    assert len({answer(None) for _ in range(6)}) > 1


def test_a_batch_cannot_mix_samplings(engine: Engine) -> None:
    calls = [Call(prompt=[1], settings=Settings(temperature=t)) for t in (0.0, 1.0)]
    with pytest.raises(ValueError, match="share their sampling"):
        engine.complete(calls)


def test_prompts_that_cannot_be_answered_are_refused(engine: Engine) -> None:
    with pytest.raises(PromptTooLongError, match=f"20000 tokens, the model's limit is {tiny_model.CONTEXT}"):
        engine.complete([Call(prompt=[6] * tiny_model.CONTEXT, settings=Settings())])
    with pytest.raises(PromptError, match="empty"):
        engine.complete([Call(prompt=[], settings=Settings())])
    with pytest.raises(PromptError, match="only user and assistant speak"):
        engine.encode_chat([{"role": "system", "content": "w1"}])


def test_words_the_model_does_not_know_are_named_and_not_answered(engine: Engine) -> None:
    with pytest.raises(PromptError, match="does not know: 'what', 'now'"):
        engine.encode_chat([{"role": "user", "content": "w1 what w2 now what"}])


def test_a_running_answer_can_be_cancelled(endless: Engine) -> None:
    begun = time.monotonic()
    call = Call(
        prompt=[1], settings=Settings(max_tokens=tiny_model.CONTEXT), cancelled=lambda: time.monotonic() > begun + 0.2
    )
    assert endless.complete([call])[0].completion_tokens < tiny_model.CONTEXT - 1


def test_conversion_happens_once_per_content(model_dir: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model_dir, tmp_path / "m", ignore=shutil.ignore_patterns(CACHE_FOLDER)))
    first = converted(folder)
    made_at = (first / "model.bin").stat().st_mtime_ns
    assert converted(folder) == first
    assert (first / "model.bin").stat().st_mtime_ns == made_at
    before = fingerprint(folder)
    tiny_model.make(folder, seed=1)
    assert fingerprint(folder) != before
    assert converted(folder) != first


def test_a_failed_conversion_leaves_nothing(model_dir: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model_dir, tmp_path / "m", ignore=shutil.ignore_patterns(CACHE_FOLDER)))
    (folder / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(Exception, match=r"(?i)header|safetensors"):
        converted(folder)
    assert list((folder / CACHE_FOLDER).iterdir()) == []
    with pytest.raises(Correctable, match=r"no config\.json"):
        converted(tmp_path)


def test_importing_serving_imports_nothing_heavy() -> None:
    code = "import sys, stratos.tools.serving.engine, stratos.tools.serving.deployments; print(*sys.modules)"
    names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"torch", "transformers", "ctranslate2", "litserve", "openai", "httpx", "fastapi", "uvicorn", "numpy"}
    assert heavy.isdisjoint(names)


def test_what_a_batch_leaves_behind_keeps_no_engine_alive(model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ctranslate2 lets the callback go in a thread of its own: an engine that ended there would wait for itself and abort."""
    kept: list[object] = []
    push = cpu_engine._push  # pyright: ignore[reportPrivateUsage]

    def kept_push(watches: Any, step: Any) -> bool:
        kept.append(watches)
        return push(watches, step)

    monkeypatch.setattr(cpu_engine, "_push", kept_push)
    engine = open_engine(model_dir)
    lengths = zip(prompts(2), (5, 10), strict=True)  # as they differ, the answers are watched
    engine.complete([Call(prompt=prompt, settings=Settings(max_tokens=length)) for prompt, length in lengths])
    assert kept
    ended = weakref.ref(engine)
    del engine
    assert ended() is None
