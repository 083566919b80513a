"""What calculators ask of a model, so that it can be answered for several of them at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

S = TypeVar("S")
Q = TypeVar("Q")
A = TypeVar("A")


class Ask(Protocol):
    """Has a question answered by `answer(shared, questions)`, which takes many and answers each.

    Who asks does not know whether others are asked with it.
    """

    def __call__(
        self, answer: Callable[[S, Sequence[Q]], Sequence[A]], shared: S, question: Q, /
    ) -> A:
        """The answer to this question."""
        ...


def alone(answer: Callable[[S, Sequence[Q]], Sequence[A]], shared: S, question: Q, /) -> A:
    """An `Ask` of one question at a time."""
    return answer(shared, [question])[0]
