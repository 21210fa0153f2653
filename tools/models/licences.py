"""What a model's licence says of its outputs as training data; read from the texts named, and no legal advice."""

import difflib
from typing import Literal

from pydantic import Field

from ...state.brief import Record
from ...state.errors import Correctable


class LicenceFacts(Record):
    """May another model be trained on what this one wrote, and under what condition."""

    name: str = Field(description="as the catalogue writes it")
    spdx: str | None = Field(description="SPDX identifier; null: it has none")
    commercial: bool = Field(description="commercial use is allowed, where conditions say so within their limits")
    outputs_may_train: Literal["yes", "with_conditions", "no"]
    condition: str = Field(description="what must be kept to; empty: nothing that concerns outputs")
    source: str = Field(description="the text the rule was read in; '(from memory)': it was not opened for this entry")


def _rule(
    name: str,
    may: Literal["yes", "with_conditions", "no"],
    condition: str,
    source: str,
    *,
    commercial: bool = True,
    spdx: str | None = None,
) -> LicenceFacts:
    return LicenceFacts(
        name=name, spdx=spdx, commercial=commercial, outputs_may_train=may, condition=condition, source=source
    )


def _permissive(spdx: str) -> LicenceFacts:
    return _rule(spdx, "yes", "", f"spdx.org/licenses/{spdx}: it grants use and lays no claim to outputs", spdx=spdx)


def _llama(version: str, folder: str, model: str = "") -> LicenceFacts:
    where = f"meta-llama/llama-models, models/{folder}/LICENSE"
    limit = "no more than 700 million monthly users"
    if model:
        only = f"outputs may improve no other large language model than {model} and its derivatives; {limit}"
        return _rule(f"Llama {version} Community License", "no", only, f"{where}, 1.b.v")
    named = f"a distributed model trained on outputs has a name that begins with 'Llama'; {limit}"
    goes_along = "this licence and 'Built with Llama' go along with what contains Llama Materials"
    return _rule(f"Llama {version} Community License", "with_conditions", f"{named}; {goes_along}", f"{where}, 1.b.i")


_COMPETING = "not to develop models that compete with {}; whether a small model for one task does is yours to judge"

LICENCES: tuple[LicenceFacts, ...] = (
    _permissive("Apache-2.0"),
    _permissive("MIT"),
    _permissive("BSD-3-Clause"),
    _rule("CC-BY-4.0", "with_conditions", "credit is given", "spdx.org/licenses/CC-BY-4.0", spdx="CC-BY-4.0"),
    _rule(
        "CC-BY-NC-4.0",
        "with_conditions",
        "credit is given, and nothing commercial follows",
        "spdx.org/licenses/CC-BY-NC-4.0",
        commercial=False,
        spdx="CC-BY-NC-4.0",
    ),
    _llama("2", "llama2", "Llama 2"),
    _llama("3", "llama3", "Llama 3"),
    _llama("3.1", "llama3_1"),
    _llama("3.2", "llama3_2"),
    _llama("3.3", "llama3_3"),
    _llama("4", "llama4"),
    _rule(
        "Gemma Terms of Use",
        "with_conditions",
        "outputs are not claimed, but a model trained on them to perform like Gemma is a model derivative: "
        "these terms and the prohibited uses go along with it",
        "ai.google.dev/gemma/terms, 1.1(e) and 3.1 (read in quotations)",
    ),
    _rule(
        "Qwen License",
        "with_conditions",
        "a distributed model trained on outputs says 'Built with Qwen' or 'Improved using Qwen' in its documentation; "
        "no more than 100 million monthly users",
        "LICENSE of Qwen/Qwen2.5-72B-Instruct (read in quotations)",
    ),
    _rule(
        "Qwen Research License",
        "with_conditions",
        "research and evaluation only; a distributed model trained on outputs says 'Built with Qwen' or "
        "'Improved using Qwen' in its documentation",
        "LICENSE of Qwen/Qwen2.5-3B-Instruct, 2 and 4.b (read in quotations)",
        commercial=False,
    ),
    _rule(
        "Mistral AI Research License",
        "with_conditions",
        "research only, and what derives from the model stays under this licence",
        "mistral.ai/licenses/MRL-0.1.md (from memory)",
        commercial=False,
    ),
    _rule(
        "Falcon LLM License 2.0",
        "with_conditions",
        "the acceptable use policy and the credit to TII go along with derivative works; whether a model trained on "
        "outputs is one must be read in it",
        "falconllm.tii.ae, terms and conditions (from memory)",
    ),
    _rule(
        "FAIR Noncommercial Research License",
        "with_conditions",
        "outputs serve noncommercial research only; derivative works stay under this licence",
        "facebookresearch/MobileLLM, LICENSE, 1.b.i and 1.b.ii",
        commercial=False,
    ),
    _rule(
        "OPT-175B License",
        "with_conditions",
        "noncommercial research only",
        "facebookresearch/metaseq, OPT model licence (from memory)",
        commercial=False,
    ),
    _rule(
        "EXAONE AI Model License 1.1 NC",
        "no",
        "outputs may develop or improve no other model; research only",
        "LG-AI-EXAONE/EXAONE-3.5, LICENSE, 3.1",
        commercial=False,
    ),
    _rule(
        "EXAONE AI Model License 1.2 NC",
        "with_conditions",
        "research only, and not to develop or improve models that compete with the licensor's",
        "LG-AI-EXAONE/EXAONE-4.0, LICENSE, 3.1",
        commercial=False,
    ),
    _rule(
        "DeepSeek License Agreement 1.0",
        "with_conditions",
        "outputs are not claimed, but a model distilled from them is a derivative: "
        "the use restrictions of paragraph 5 go along with it",
        "deepseek-ai/DeepSeek-V3, LICENSE-MODEL, 1, 4 and 6",
    ),
    _rule(
        "Modified MIT (Kimi K2)",
        "yes",
        "a product with over 100 million monthly users or 20 million dollars a month shows 'Kimi K2'",
        "MoonshotAI/Kimi-K2, LICENSE",
    ),
    _rule(
        "MiniMax Model License",
        "with_conditions",
        "the prohibited uses are kept; this licence and a notice go along with derivative works",
        "MiniMax-AI/MiniMax-01, LICENSE-MODEL, 2.b",
    ),
    _rule(
        "OpenAI API terms",
        "with_conditions",
        _COMPETING.format("OpenAI"),
        "openai.com/policies, terms of use (read in quotations)",
    ),
    _rule(
        "Anthropic commercial terms",
        "with_conditions",
        _COMPETING.format("Anthropic's services, unless it approves"),
        "anthropic.com/legal/commercial-terms, use restrictions (read in quotations)",
    ),
    _rule(
        "Gemini API terms",
        "with_conditions",
        _COMPETING.format("the Gemini API or Google AI Studio"),
        "ai.google.dev/gemini-api/terms, use restrictions",
    ),
    _rule(
        "DeepSeek API terms",
        "yes",
        "training other models, distillation included, is named as allowed",
        "DeepSeek Open Platform terms of service, 4.2(3) (read in quotations)",
    ),
    _rule(
        "Mistral API terms",
        "with_conditions",
        "outputs may not serve to reverse-engineer Mistral's models; what else holds must be read in the terms",
        "legal.mistral.ai, commercial terms (read in quotations)",
    ),
)

_HUB_TAGS = {
    "bsd-3-clause": "BSD-3-Clause",
    "llama2": "Llama 2 Community License",
    "llama3": "Llama 3 Community License",
    "llama3.1": "Llama 3.1 Community License",
    "llama3.2": "Llama 3.2 Community License",
    "llama3.3": "Llama 3.3 Community License",
    "llama4": "Llama 4 Community License",
    "gemma": "Gemma Terms of Use",
    "qwen": "Qwen License",
    "qwen-research": "Qwen Research License",
    "mrl": "Mistral AI Research License",
    "falcon-llm-license": "Falcon LLM License 2.0",
    "fair-noncommercial-research": "FAIR Noncommercial Research License",
    "deepseek": "DeepSeek License Agreement 1.0",
}
"""How the Hugging Face hub tags licences in a model card."""

_BY_NAME = {facts.name.casefold(): facts for facts in LICENCES}


def known_licence(name: str) -> LicenceFacts | None:
    """What is known of a licence by its name, SPDX identifier or hub tag, in any case; None where nothing is."""
    folded = name.strip().casefold()
    return _BY_NAME.get(folded) or _BY_NAME.get(_HUB_TAGS.get(folded, "").casefold())


def licence_facts(name: str) -> LicenceFacts:
    """What a licence says of outputs. Raises Correctable for one that is not known here, with the nearest and all valid names."""
    if facts := known_licence(name):
        return facts
    close = [_BY_NAME[near].name for near in difflib.get_close_matches(name.strip().casefold(), _BY_NAME)]
    nearest = f" Nearest: {', '.join(map(repr, close))}." if close else ""
    valid = ", ".join(facts.name for facts in LICENCES)
    raise Correctable(f"nothing is known of the licence {name!r}.{nearest} Known: {valid}")
