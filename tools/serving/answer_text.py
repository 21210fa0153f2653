"""The text of one answer as its tokens arrive: safe pieces to stream, and the cut at a stop string."""

from collections.abc import Callable, Sequence

UNFINISHED = "\ufffd"
"""What a tokenizer decodes a half-written multi-byte character to."""


class AnswerText:
    """Grows token by token; `push` and `finish` return the text that can be shown now and never taken back."""

    def __init__(self, decode: Callable[[Sequence[int]], str], stop: Sequence[str] = ()) -> None:
        self.text: str = ""
        self.stopped = False
        self._decode, self._stop = decode, stop
        self._ids: list[int] = []
        self._shown = 0
        # Tokens before _settled are text already; those from _context on are decoded again with each new token,
        # because many tokenizers write a token differently at the start of a text than inside it.
        self._context = self._settled = 0

    def push(self, token_id: int) -> str:
        """Adds one token."""
        self._ids.append(token_id)
        fresh = self._fresh_text()
        if fresh and not fresh.endswith(UNFINISHED):
            self._settle(fresh)
        return self._release(held=self._held)

    def finish(self) -> str:
        """The rest of the text, once no token follows."""
        if not self.stopped:
            self._settle(self._fresh_text())
        return self._release(held=lambda: 0)

    def _fresh_text(self) -> str:
        before = self._decode(self._ids[self._context : self._settled])
        return self._decode(self._ids[self._context :])[len(before) :]

    def _settle(self, fresh: str) -> None:
        self.text += fresh
        self._context, self._settled = self._settled, len(self._ids)

    def _release(self, held: Callable[[], int]) -> str:
        found = [at for stop in self._stop if (at := self.text.find(stop, self._shown)) >= 0]
        if found:
            self.text, self.stopped = self.text[: min(found)], True
        end = len(self.text) - (0 if found else held())
        piece, self._shown = self.text[self._shown : end], max(end, self._shown)
        return piece

    def _held(self) -> int:
        """Length of the longest end of the text that may be the beginning of a stop string."""
        unseen = len(self.text) - self._shown
        lengths = [n for s in self._stop for n in range(1, min(len(s) - 1, unseen) + 1) if self.text.endswith(s[:n])]
        return max(lengths, default=0)
