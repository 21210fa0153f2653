"""What tuning did to unrelated texts: hand-computed perplexities, and tiny checkpoints before and after damage."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import math
from pathlib import Path
from typing import Any

import pytest
from stratos.state.evidence import ProbeText, Regression
from stratos.tools.executor import LocalExecutor
from stratos.tools.regression import PROBES, RegressionJob, regress, regression, regression_request
from stratos.tools.waiting import run

from .tuning import tiny


def text(name: str, tokens: int, before: float, after: float) -> ProbeText:
    return ProbeText(name=name, tokens=tokens, nats_before=before, nats_after=after)


def test_every_token_counts_once_and_the_worst_text_comes_first() -> None:
    found = regression(
        [text("a", 10, 1.0, 1.2), text("b", 30, 2.0, 2.05), text("c", 10, 1.0, 2.0), text("d", 50, 1.0, 0.5)]
    )
    assert found.tokens == 100
    assert found.perplexity_before == pytest.approx(math.exp(1.3))  # 10 + 60 + 10 + 50 nats
    assert found.perplexity_after == pytest.approx(math.exp(1.185))  # 12 + 61.5 + 20 + 25
    assert found.worse == ("c", "a")
    assert found.ratio == pytest.approx(math.exp(-0.115))


def test_words() -> None:
    worse = regression([text("sums", 4, math.log(8), math.log(16)), text("code", 4, math.log(8), math.log(8))])
    assert worse.words == ("perplexity of unrelated texts 8.0 before, 11.3 after (x 1.41); worse on 1 of 2: sums")
    assert regression([text("sums", 4, 1.0, 1.0)]).words.endswith("(x 1.00); none worse")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.checkpoint(tmp_path_factory.mktemp("probed") / "model")


def damaged(model: Path, folder: Path) -> Path:
    """The model with an output layer that is sure of the wrong tokens."""
    from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

    loaded: Any = AutoModelForCausalLM.from_pretrained(model)
    loaded.get_input_embeddings().weight.data.mul_(30)
    loaded.save_pretrained(folder)
    tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(model)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_model_that_did_not_change_has_the_same_perplexity(model: Path, tmp_path: Path) -> None:
    found = Regression.model_validate(regress(RegressionJob(before=model, after=model), tmp_path))
    assert (found.ratio, found.worse, len(found.texts)) == (1.0, (), len(PROBES))
    assert 150 < found.perplexity_before < 1000  # it knows nothing: about as many choices as its 300 tokens


def test_a_damaged_model_is_found_worse_by_a_job_of_its_own(model: Path, tmp_path: Path) -> None:
    job = RegressionJob(before=model, after=damaged(model, tmp_path / "damaged"))
    result = run(LocalExecutor(), regression_request(job, tmp_path / "job"))
    seconds = result.pop("seconds")
    found = Regression.model_validate(result)
    assert seconds > 0
    assert found.ratio > 2
    assert set(found.worse) == set(PROBES)


def test_models_that_read_other_tokens_do_not_compare(model: Path, tmp_path: Path) -> None:
    from .serving import tiny_model

    other = tiny_model.make(tmp_path / "other")
    with pytest.raises(ValueError, match="read 'a morning' as different tokens"):
        regress(RegressionJob(before=model, after=other), tmp_path)
