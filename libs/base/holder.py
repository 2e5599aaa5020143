"""Whoever is let in, by an API key or by a token of an identity provider: what the edge has to know of both."""

from typing import Protocol

from libs.base.api_keys import Scope


class Holder(Protocol):
    """What somebody may do who has shown something valid."""

    @property
    def key_id(self) -> str:
        """Tells holders apart: where requests are counted, never in a metric's label."""

    @property
    def scopes(self) -> frozenset[Scope]:
        """What it may be used for."""

    def may_see(self, market: str) -> bool:
        """Whether it is for this market."""


class Ring(Protocol):
    """What is valid at one moment."""

    def recognise(self, text: str) -> Holder | None:
        """Whose this text is, or None: whatever is wrong with it looks the same from outside.

        Raises:
            TransientError: it cannot be told yet.
        """
