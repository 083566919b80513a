"""Tasks that advance side by side in one process, so that what they ask for is answered together.

An integrator asks for forces in the middle of its step, so each task has a thread; but only the one with
the baton runs. It goes from task to task in their order, each runs until it asks or ends, and the last one
hands it to the caller's thread, which answers all of them at once. Nothing depends on how threads are
scheduled: the same tasks give the same results bit by bit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from aldata.potentials.questions import Ask

R = TypeVar("R")
Baton = SimpleQueue[None]
Answer = Callable[[Any, Sequence[Any]], Sequence[Any]]

PROBLEMS = (ArithmeticError, ValueError, RuntimeError)
"""What a model far from its data may fail with, in its neighbour list or algebra: its asker's problem."""


class _Abandoned(BaseException):
    """Raised in a task that nobody waits for any more; no `except` of a task should catch it."""


@dataclass(eq=False)
class _Question:
    """What a task asks for, and the answer, or the problem of the one who tried."""

    answer: Answer
    shared: Any
    argument: Any
    reply: Any = None
    problem: Exception | None = None


class _Strand(Generic[R]):
    """A task in a thread. `next`: who gets the baton when it asks or ends."""

    def __init__(self, task: Callable[[Ask], R]) -> None:
        self.baton, self.next = Baton(), Baton()
        self.question: _Question | None = None
        self.result: R | None = None
        self.problem: BaseException | None = None
        self.ended = self.abandoned = False
        self._task = task
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._wait()
            self.result = self._task(self._ask)
        except BaseException as problem:
            self.problem = problem
        self.ended, self.question = True, None
        self.next.put(None)

    def _ask(self, answer: Answer, shared: Any, argument: Any, /) -> Any:
        question = self.question = _Question(answer, shared, argument)
        self.next.put(None)
        self._wait()
        if question.problem is not None:
            raise question.problem
        return question.reply

    def _wait(self) -> None:
        self.baton.get()
        if self.abandoned:
            raise _Abandoned

    def join(self) -> None:
        """Wait until the thread has ended."""
        self._thread.join()


def together(tasks: Sequence[Callable[[Ask], R]]) -> list[R]:
    """The results of the tasks, in their order; each is given an `Ask` and may end when it likes.

    What cannot be answered together is tried one by one, and the problem is raised where it was asked for:
    it is one task's. Any other exception, of a task or of an answer, ends all of them and is raised.
    """
    strands, home = list[_Strand[R]](), Baton()
    try:
        for task in tasks:
            strands.append(_Strand(task))
        live = strands
        while live:
            for strand, after in zip(live, [*(s.baton for s in live[1:]), home], strict=True):
                strand.next = after
            live[0].baton.put(None)
            home.get()
            for strand in live:
                if strand.problem is not None:
                    raise strand.problem
            live = [strand for strand in live if not strand.ended]
            _reply([strand.question for strand in live if strand.question is not None])
    finally:
        _end(strands)
    return [strand.result for strand in strands]  # type: ignore[misc]


def _end(strands: Sequence[_Strand[R]]) -> None:
    """End the tasks where they wait, or where they ask next."""
    for strand in strands:
        strand.abandoned = True
    for strand in strands:
        strand.baton.put(None)
    for strand in strands:
        strand.join()


def _reply(questions: Sequence[_Question]) -> None:
    """Answer all questions, those of a kind together."""
    kinds: dict[tuple[Answer, int], list[_Question]] = {}
    for question in questions:
        kinds.setdefault((question.answer, id(question.shared)), []).append(question)
    for alike in kinds.values():
        try:
            _answer(alike)
        except PROBLEMS as problem:
            if len(alike) == 1:
                alike[0].problem = problem
                continue
            for question in alike:
                _reply([question])


def _answer(alike: Sequence[_Question]) -> None:
    answer, shared = alike[0].answer, alike[0].shared
    replies = answer(shared, [question.argument for question in alike])
    for question, reply in zip(alike, replies, strict=True):
        question.reply = reply
