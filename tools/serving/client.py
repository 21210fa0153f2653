"""Asking a server: one chat through the `openai` client, and two cheap questions about its state."""

from pathlib import Path

from ...state.errors import Correctable, ToolFailed
from .front_job import trusting

HEALTH_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 600.0
"""A model of half a billion weights writes about 8 tokens a second on one core, measured."""


def chat(
    base_url: str,
    api_key: str,
    model: str,
    prompt: str,
    *,
    max_tokens: int | None = None,
    temperature: float | None = None,
    certificate: Path | None = None,
) -> str:
    """The answer to one user message; `certificate` is the server's own, where it has one. Raises Correctable (the prompt was
    refused), ToolFailed (anything else)."""
    import openai

    try:
        verify = trusting(certificate)
    except OSError as error:
        raise ToolFailed(f"the certificate of {base_url} cannot be read: {error}") from error
    # trust_env: a proxy set for the outside world must not be asked for a server on this machine.
    http = openai.DefaultHttpxClient(trust_env=False, verify=verify)
    with openai.OpenAI(base_url=base_url, api_key=api_key, http_client=http, timeout=ANSWER_TIMEOUT_S) as client:
        try:
            answer = client.chat.completions.create(
                model=model,
                messages=[{"role": "user", "content": prompt}],
                max_tokens=openai.omit if max_tokens is None else max_tokens,
                temperature=openai.omit if temperature is None else temperature,
            )
        except openai.BadRequestError as error:
            raise Correctable(f"the model cannot take this prompt: {error.message}") from error
        except openai.OpenAIError as error:
            raise ToolFailed(f"{base_url} did not answer: {error}") from error
    # vLLM decodes an answer as what follows its question: in a tokenizer of words the first one then has a space before it.
    return (answer.choices[0].message.content or "").strip()


def healthy(base_url: str, certificate: Path | None = None, timeout_s: float = HEALTH_TIMEOUT_S) -> bool:
    """Whether GET /health says so within that time."""
    return _status(base_url.removesuffix("/v1") + "/health", None, certificate, timeout_s) == 200


def api_alive(base_url: str, api_key: str) -> bool:
    """Whether the server takes this key and lists its model."""
    return _status(base_url + "/models", api_key) == 200


def _status(
    url: str, api_key: str | None, certificate: Path | None = None, timeout_s: float = HEALTH_TIMEOUT_S
) -> int | None:
    import httpx

    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        verify = trusting(certificate)
        return httpx.get(url, headers=headers, timeout=timeout_s, trust_env=False, verify=verify).status_code
    except (httpx.TransportError, OSError):  # the latter: its certificate cannot be read
        return None
