"""A fake of the part of vLLM that TRL calls in the trainer's process: it samples with transformers on the CPU and notes what it is told."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

LAST = list[Any]()
"""The engines that were started."""


@dataclass(kw_only=True)
class FakeSamplingParams:
    """What TRL says of one batch of answers."""

    n: int
    temperature: float
    top_p: float
    top_k: int
    min_p: float
    repetition_penalty: float
    max_tokens: int
    logprobs: int


class FakeLLM:
    """Named as vLLM's own class is called by TRL; its weights are only those that it is handed."""

    def __init__(self, **told: Any) -> None:
        from transformers import AutoModelForCausalLM

        self.told = told
        self.handed = list[str]()
        self.model: Any = AutoModelForCausalLM.from_pretrained(told["model"])
        runner = SimpleNamespace(model=self)
        worker = SimpleNamespace(model_runner=runner)
        self.llm_engine = SimpleNamespace(model_executor=SimpleNamespace(driver_worker=worker))
        LAST.append(self)

    def load_weights(self, weights: Sequence[tuple[str, Any]]) -> None:
        """Takes weights by the names of the checkpoint; one it does not know is an error, as in vLLM."""
        import torch

        own = dict(self.model.named_parameters())
        for name, weight in weights:
            with torch.no_grad():
                own[name].copy_(weight)
            self.handed.append(name)

    def reset_prefix_cache(self) -> None:
        """Nothing is kept here."""

    def generate(self, prompts: Any, *, sampling_params: FakeSamplingParams, use_tqdm: bool) -> list[Any]:
        """One answer to each prompt, with the log probability of each of its tokens."""
        return [self._answer(prompt["prompt_token_ids"], sampling_params) for prompt in prompts]

    def _answer(self, prompt: list[int], wanted: FakeSamplingParams) -> Any:
        import torch

        answer = list[int]()
        logprobs = list[dict[int, Any]]()
        while len(answer) < wanted.max_tokens and (not answer or answer[-1] != self.model.config.eos_token_id):
            with torch.no_grad():
                logits = self.model(torch.tensor([prompt + answer])).logits[0, -1]
            chances = (logits / wanted.temperature).log_softmax(-1)
            token = int(torch.multinomial(chances.exp(), 1))
            answer.append(token)
            logprobs.append({token: SimpleNamespace(logprob=float(chances[token]), rank=1)})
        return SimpleNamespace(prompt_token_ids=prompt, outputs=[SimpleNamespace(token_ids=answer, logprobs=logprobs)])
