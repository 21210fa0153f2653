"""Asking a server: one chat through the `openai` client, and two cheap questions about its state."""

from ...state.errors import Correctable, ToolFailed

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
) -> str:
    """The answer to one user message. Raises Correctable (the prompt was refused), ToolFailed (anything else)."""
    import openai

    # trust_env: a proxy set for the outside world must not be asked for a server on this machine.
    http = openai.DefaultHttpxClient(trust_env=False)
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
    return answer.choices[0].message.content or ""


def healthy(base_url: str) -> bool:
    """Whether GET /health says so, quickly."""
    return _status(base_url.removesuffix("/v1") + "/health", None) == 200


def api_alive(base_url: str, api_key: str) -> bool:
    """Whether the server takes this key and lists its model."""
    return _status(base_url + "/models", api_key) == 200


def _status(url: str, api_key: str | None) -> int | None:
    import httpx

    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        return httpx.get(url, headers=headers, timeout=HEALTH_TIMEOUT_S, trust_env=False).status_code
    except httpx.TransportError:
        return None
