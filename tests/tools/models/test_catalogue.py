"""The built-in catalogue: its size, its truth as far as arithmetic can tell, finding and filtering."""

import time

import pytest
from stratos.state.errors import Correctable
from stratos.state.model_facts import ModelFacts
from stratos.tools.models.catalogue import MODELS_CSV, SCORES_CSV, Catalogue, load_catalogue
from stratos.tools.models.counting import count_parameters, is_dense, weight_bytes
from stratos.tools.models.licences import licence_facts
from stratos.tools.models.records import read_models, read_scores

BUILT_IN = load_catalogue()
NOT_A_PLAIN_DECODER = {
    "google/gemma-3-4b-it": "a tenth of its parameters read images",
    "google/gemma-3-12b-it": "3 % of its parameters read images",
    "mistralai/Ministral-3-3B-Instruct-2512": "a tenth of its parameters read images",
    "Qwen/Qwen3.5-27B": "most layers have linear attention, and some parameters read images",
    "openbmb/MiniCPM3-4B": "latent attention is smaller than its heads say",
    "EleutherAI/pythia-160m": "its feed-forward has two matrices, no gate",
    "EleutherAI/pythia-410m": "its feed-forward has two matrices, no gate",
    "facebook/opt-125m": "its feed-forward has two matrices, no gate",
}
DENSE = [facts for facts in BUILT_IN.values() if facts.kind == "open" and is_dense(facts)]


def test_there_are_students_of_every_size_and_teachers_up_to_the_largest() -> None:
    open_models = BUILT_IN.where(kind="open")
    sizes = [facts.parameters for facts in BUILT_IN.where(role="student") if facts.parameters]
    assert len(open_models) >= 70
    assert min(sizes) < 150_000_000
    assert max(sizes) > 14_000_000_000
    assert max(facts.parameters or 0 for facts in BUILT_IN.where(role="teacher")) > 10**12
    assert len([facts for facts in BUILT_IN.values() if "gsm8k" in facts.scores]) >= 40


def test_every_api_model_has_dated_prices_and_every_open_one_its_shape() -> None:
    for facts in BUILT_IN.where(kind="api"):
        assert None not in (facts.usd_per_million_input, facts.usd_per_million_output, facts.prices_as_of), facts.name
    for facts in BUILT_IN.where(kind="open"):
        assert None not in (facts.parameters, facts.layers, facts.hidden, facts.context_tokens), facts.name


@pytest.mark.parametrize("facts", DENSE, ids=lambda facts: facts.name)
def test_the_parameters_of_a_dense_model_are_what_its_shape_gives(facts: ModelFacts) -> None:
    assert facts.parameters is not None
    off = abs(count_parameters(facts) / facts.parameters - 1)
    assert (off > 0.03) == (facts.name in NOT_A_PLAIN_DECODER), f"{off:.1%}"


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("HuggingFaceTB/SmolLM2-135M", 134_515_008),
        ("Qwen/Qwen2.5-0.5B-Instruct", 494_032_768),
        ("meta-llama/Llama-3.2-1B", 1_235_814_400),
        ("HuggingFaceTB/SmolLM3-3B", 3_075_098_624),
        ("microsoft/Phi-4-mini-instruct", 3_836_021_760),
        ("Qwen/Qwen3-8B", 8_190_735_360),
        ("ibm-granite/granite-3.1-2b-instruct", 2_533_531_648),
        ("openai/gpt-oss-20b", 20_914_757_184),
    ],
)
def test_published_counts_are_the_ones_of_the_weight_files(name: str, published: int) -> None:
    assert BUILT_IN[name].parameters == published


def test_a_count_by_hand_is_what_the_formula_gives() -> None:
    # One layer, hidden 8, two query heads and one key-value head of 4, feed-forward 16, ten rows, tied:
    # 10*8 + (8*8 + 2*8*4 + 8*8) + 3*8*16 + 2*8 + 8 = 80 + 192 + 384 + 16 + 8.
    tiny = BUILT_IN["Qwen/Qwen2.5-0.5B"].model_copy(
        update={
            "layers": 1,
            "hidden": 8,
            "heads": 2,
            "kv_heads": 1,
            "head_dim": 4,
            "feed_forward": 16,
            "padded_vocabulary": 10,
        }
    )
    assert count_parameters(tiny) == 680
    assert count_parameters(tiny.model_copy(update={"tied_embeddings": False})) == 680 + 80
    with pytest.raises(Correctable, match="not fully known"):
        count_parameters(tiny.model_copy(update={"layers": None}))


def test_weights_weigh_two_bytes_or_half_a_byte() -> None:
    facts = BUILT_IN["HuggingFaceTB/SmolLM2-135M"]
    assert (weight_bytes(facts, 16), weight_bytes(facts, 4)) == (269_030_016, 67_257_504)
    assert weight_bytes(BUILT_IN["openai/gpt-4.1"], 16) is None


def test_an_embedding_has_a_row_for_every_token() -> None:
    short = [
        facts.name
        for facts in BUILT_IN.values()
        if facts.vocabulary and facts.padded_vocabulary and facts.vocabulary > facts.padded_vocabulary
    ]
    assert short == ["google/gemma-3-270m-it", "google/gemma-3-1b-it"]  # their image token has none, as their notes say


def test_known_figures_stand_with_their_source() -> None:
    # Llama 3.2 model card: GSM8K 44.4 of the 1B, 8-shot CoT.
    score = BUILT_IN["meta-llama/Llama-3.2-1B-Instruct"].scores["gsm8k"]
    assert (score.value, score.setup) == (0.444, "8-shot CoT")
    assert "llama3_2/MODEL_CARD.md" in score.source


def test_every_licence_is_covered() -> None:
    for facts in BUILT_IN.values():
        assert licence_facts(facts.licence).name == facts.licence


def test_loading_is_fast() -> None:
    best = 1.0
    for _ in range(5):
        start = time.perf_counter()
        read_scores(SCORES_CSV, list(read_models(MODELS_CSV, {})))
        best = min(best, time.perf_counter() - start)
    assert best < 0.03


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("Qwen/Qwen2.5-0.5B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct"),
        ("qwen2.5-0.5b-instruct", "Qwen/Qwen2.5-0.5B-Instruct"),
        (" GPT-4o-mini ", "openai/gpt-4o-mini"),
    ],
)
def test_a_model_is_found_by_its_name_or_the_end_of_it(asked: str, found: str) -> None:
    assert BUILT_IN.find(asked).name == found


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("Qwen2.5-0.6B", "Nearest: Qwen/Qwen2.5-0.5B"),
        ("SmolLM-360M", "HuggingFaceTB/SmolLM2-360M"),
        ("gpt-oss-20b", "could be any of openai/gpt-oss-20b, fireworks/gpt-oss-20b"),
        ("", "stratos models"),
        ("xyzzy", "stratos models"),
    ],
)
def test_what_is_not_found_names_the_nearest(asked: str, words: str) -> None:
    with pytest.raises(Correctable) as caught:
        BUILT_IN.find(asked)
    assert words in str(caught.value)


def test_filters_narrow_the_list() -> None:
    found = BUILT_IN.where(
        role="student",
        kind="open",
        instruct=True,
        min_parameters=400_000_000,
        max_parameters=500_000_000,
        licences=("apache-2.0",),
        families=("qwen2.5",),
        min_context_tokens=32768,
    )
    assert [facts.name for facts in found] == ["Qwen/Qwen2.5-0.5B-Instruct", "Qwen/Qwen2.5-Coder-0.5B-Instruct"]
    assert BUILT_IN.where(role="student", kind="api") == ()
    assert len(BUILT_IN.where()) == len(BUILT_IN)


def test_what_has_no_published_size_passes_no_limit_on_it() -> None:
    assert all(facts.parameters for facts in BUILT_IN.where(max_parameters=10**15))


def test_context_limits_hold_both_ways() -> None:
    found = BUILT_IN.where(min_context_tokens=8192, max_context_tokens=8192)
    assert {facts.context_tokens for facts in found} == {8192}


def test_a_filter_that_nothing_could_pass_names_what_is_valid() -> None:
    with pytest.raises(Correctable, match=r"licence 'GPL-3.0'; valid: .*Apache-2.0"):
        BUILT_IN.where(licences=("GPL-3.0",))
    with pytest.raises(Correctable, match=r"family 'Quen'; valid: .*Qwen2\.5"):
        BUILT_IN.where(families=("Quen",))


def test_an_empty_catalogue_is_a_mapping_too() -> None:
    assert dict(Catalogue({})) == {}
