"""A teacher that is a model folder and is served by vLLM while a job asks it; what it costs is the machine's time alone.

Tested with a program in vLLM's place; not measured on a GPU.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ...state.errors import ToolFailed
from ..jobs import report
from ..models.folder import facts_of_folder
from ..serving.conversion import fingerprint
from ..serving.deployments import temporary_server
from ..serving.processes import log_tail
from .endpoint import FIRST_PATIENCE_S, IN_LINE, EndpointTeacher
from .teachers import FRAME_TOKENS, Answer, Request, Taken

if TYPE_CHECKING:
    from tokenizers import Tokenizer

IN_FLIGHT = 64
"""assumption: enough answers at once to fill a GPU; vLLM itself takes 256."""

TIMEOUT_S = 600.0
"""assumption: a long answer among so many takes minutes, and waiting for it costs nothing."""

MOST_TOKENS = 32_768
"""assumption: longer than any question with its answer. vLLM does not start where one whole context finds no room on the GPU."""

SHARED_GPU = 0.45
"""Of the memory, where two teachers share the GPU; vLLM's own default is nearly all of it."""


class ServedTeacher:
    """Implements `Teacher`; the server is started when it is first asked, for answers that are kept need none. Must be closed."""

    batch = IN_FLIGHT * IN_LINE

    def __init__(
        self,
        folder: Path,
        served_in: Path,
        *,
        gpu_memory_share: float | None = None,
        patience_s: float = FIRST_PATIENCE_S,  # nobody starts it again
    ) -> None:
        self.name = str(folder)
        # Apart from the CPU engine's, which are kept under the bytes alone: other arithmetic, other answers.
        self.identity = f"folder:{fingerprint(folder)} by vllm"
        self._folder, self._served_in = folder, served_in
        context = facts_of_folder(folder).context_tokens
        self._most_tokens = min(context, MOST_TOKENS) if context else None
        self._share, self._patience_s = gpu_memory_share, patience_s
        self._life = ExitStack()
        self._endpoint: EndpointTeacher | None = None

    def sample(self, requests: Sequence[Request], taken: Taken) -> list[Answer]:
        """Asks side by side. Raises ToolFailed with the end of the server's log where it cannot be served, or is no longer."""
        if self._endpoint is None:
            self._endpoint = self._started()
        try:
            return self._endpoint.sample([self._fitting(request) for request in requests], taken)
        except ToolFailed as error:
            raise ToolFailed(f"{error}; the log of its server ends:\n{log_tail(self._served_in)}") from error

    def close(self) -> None:
        """Stops the server, if there is one."""
        self._endpoint = None
        self._life.close()

    def _fitting(self, request: Request) -> Request:
        """The request with no more room for its answer than the context leaves: vLLM refuses more, where the CPU engine gives less."""
        wanted = request.sampling.max_tokens
        if self._most_tokens is None or request.most_input_tokens + wanted <= self._most_tokens or not self._tokenizer:
            return request
        room = max(1, self._most_tokens - len(self._tokenizer.encode(request.prompt).ids) - FRAME_TOKENS)
        return replace(request, sampling=replace(request.sampling, max_tokens=min(wanted, room)))

    @cached_property
    def _tokenizer(self) -> "Tokenizer | None":
        from tokenizers import Tokenizer

        path = self._folder / "tokenizer.json"
        return Tokenizer.from_file(str(path)) if path.is_file() else None

    def _started(self) -> EndpointTeacher:
        report("note", text=f"teacher {self.name!r} is served by vLLM for this job")
        served = temporary_server(
            self._folder,
            self._served_in,
            engine="vllm",
            served_name="teacher",
            max_model_len=self._most_tokens,
            gpu_memory_share=self._share,
        )
        try:
            server = self._life.enter_context(served)
        except ToolFailed as error:
            raise ToolFailed(
                f"teacher {self.name!r} cannot be served by vLLM: {error}\nWith engine 'ctranslate2' in the job file, or no program "
                "'vllm' on PATH, it answers on the CPU"
            ) from error
        return EndpointTeacher(
            server.model,
            server.base_url,
            server.api_key,
            in_flight=IN_FLIGHT,
            timeout_s=TIMEOUT_S,
            patience_s=self._patience_s,
            name=self.name,
        )
