"""What licences say of outputs: the ones a plan would trip over, and how an unknown one is told."""

import pytest
from stratos.state.errors import Correctable
from stratos.tools.models.licences import LICENCES, known_licence, licence_facts


@pytest.mark.parametrize(
    ("name", "may", "commercial", "words"),
    [
        ("Apache-2.0", "yes", True, ""),
        ("MIT", "yes", True, ""),
        ("Llama 3 Community License", "no", True, "no other large language model"),
        ("Llama 3.1 Community License", "with_conditions", True, "begins with 'Llama'"),
        ("Gemma Terms of Use", "with_conditions", True, "go along"),
        ("Qwen Research License", "with_conditions", False, "Built with Qwen"),
        ("EXAONE AI Model License 1.1 NC", "no", False, "no other model"),
        ("OpenAI API terms", "with_conditions", True, "compete with OpenAI"),
        ("DeepSeek API terms", "yes", True, "distillation"),
    ],
)
def test_a_licence_says_whether_outputs_may_train(name: str, may: str, commercial: bool, words: str) -> None:
    facts = licence_facts(name)
    assert (facts.outputs_may_train, facts.commercial) == (may, commercial)
    assert words in facts.condition


def test_hub_tags_and_any_case_name_the_same() -> None:
    assert licence_facts("apache-2.0") == licence_facts("Apache-2.0")
    assert licence_facts("llama3.1").name == "Llama 3.1 Community License"
    assert licence_facts("GEMMA").name == "Gemma Terms of Use"


def test_every_rule_has_a_source_and_every_condition_is_said() -> None:
    assert len({facts.name for facts in LICENCES}) == len(LICENCES)
    for facts in LICENCES:
        assert facts.source
        assert facts.condition or facts.outputs_may_train == "yes"


def test_an_unknown_licence_names_the_nearest_and_the_known() -> None:
    with pytest.raises(Correctable, match=r"Nearest: 'Llama 3.1 Community License'.* Known: Apache-2.0"):
        licence_facts("Llama 3.1 Comunity Licence")
    assert known_licence("") is None
