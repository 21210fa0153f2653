"""Muon for the weight matrices and AdamW for the rest, as one optimiser pair with one learning-rate dial.

Muon (Jordan et al., 2024, kellerjordan.github.io/posts/muon) orthogonalises the momentum of every matrix. torch.optim.Muon
does so in bfloat16, matrix by matrix: 0.95 CPU-s a step for an 0.8M student where the CPU lacks bfloat16 arithmetic,
against 0.06 for this float32 version that stacks matrices of one shape (AMD EPYC without avx512_bf16, one thread).
"""

# pyright: reportUnknownMemberType=false

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic iteration, from the Muon post: steep at zero, within 0.3 of one afterwards."""

STEPS = 5
MOMENTUM = 0.95


def orthogonalised(matrices: Any) -> Any:
    """Nearest semi-orthogonal matrices, approximately: (count, rows, columns) in and out, singular values in 0.7 to 1.3."""
    import torch

    first, second, third = NEWTON_SCHULZ
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=second, alpha=third), x, beta=first)
    return x.mT if tall else x


class MuonWithAdamW:
    """Steps a decoder's parameters; `scale` multiplies both learning rates. State is saved and restored exactly."""

    def __init__(self, model: Any, *, rate_matrices: float, rate_rest: float, beside: Sequence[Any] = ()) -> None:
        """Takes the 2-d weights inside the layers for Muon and all else (embeddings, norms, those beside it) for AdamW."""
        import torch

        named = list(model.named_parameters())
        matrices = [weight for name, weight in named if weight.ndim == 2 and ".layers." in f".{name}"]
        chosen = {id(weight) for weight in matrices}
        self._rate_matrices, self._rate_rest = rate_matrices, rate_rest
        self._groups: dict[tuple[int, ...], list[Any]] = defaultdict(list)
        for weight in matrices:
            self._groups[tuple(weight.shape)].append(weight)
        self._momenta = {shape: torch.zeros(len(group), *shape) for shape, group in self._groups.items()}
        rest = [*(weight for _, weight in named if id(weight) not in chosen), *beside]
        self._adamw = torch.optim.AdamW(rest, lr=rate_rest, betas=(0.9, 0.95), weight_decay=0.0)

    def step(self, scale: float) -> None:
        """Applies one update from the gradients and clears them."""
        import torch

        with torch.no_grad():
            for shape, group in self._groups.items():
                gradients = torch.stack([weight.grad for weight in group])
                momentum = self._momenta[shape].mul_(MOMENTUM).add_(gradients, alpha=1 - MOMENTUM)
                updates = orthogonalised(gradients.lerp_(momentum, MOMENTUM))
                # Rows over columns keeps the update's root mean square the same for wide and tall matrices (same post).
                rate = self._rate_matrices * scale * max(1.0, shape[0] / shape[1]) ** 0.5
                for weight, update in zip(group, updates, strict=True):
                    weight.add_(update, alpha=-rate)
                    weight.grad = None
        self._adamw.param_groups[0]["lr"] = self._rate_rest * scale
        self._adamw.step()
        self._adamw.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue bit for bit."""
        momenta = {"x".join(map(str, shape)): momentum for shape, momentum in self._momenta.items()}
        return {"momenta": momenta, "adamw": self._adamw.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what state_dict gave."""
        for shape, momentum in self._momenta.items():
            momentum.copy_(state["momenta"]["x".join(map(str, shape))])
        self._adamw.load_state_dict(state["adamw"])
