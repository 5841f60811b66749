"""SIGINT and SIGTERM: what a process is asked to stop with, and work that ends tidily first."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """The process was asked to stop.

    A `KeyboardInterrupt`, so that nothing that catches `Exception` takes it for a mistake.

    Args:
        number: int. The signal.
    """

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number

    @property
    def name(self) -> str:
        """The signal's name, such as `"SIGTERM"`."""
        return signal.Signals(self.number).name

    @property
    def exit_code(self) -> int:
        """What a shell expects of a process that a signal has ended: 130, or 143."""
        return 128 + self.number


@contextlib.contextmanager
def raising_interrupts() -> Iterator[None]:
    """SIGINT and SIGTERM raise `Interrupted` inside; afterwards they do what they did."""

    def interrupt(number, frame):
        raise Interrupted(number)

    with _handling(interrupt):
        yield


@contextlib.contextmanager
def deferring_interrupts(notice: str) -> Iterator[Callable[[Callable[[], None]], None]]:
    """SIGINT and SIGTERM wait inside until there is a good moment; a second one does not.

    Args:
        notice: str. What is told when a signal comes.

    Yields:
        a function to call at good moments, with what is to be done before the process stops.
        It does nothing if there was no signal. Otherwise it calls what it was given, and hands
        the signal to what handled it before.
    """
    received: list[int] = []

    def keep(number, frame):
        received.append(number)
        if len(received) > 1:
            hand_on(number)
        # Not by `print`: it may be in the middle of another.
        os.write(2, f"{signal.Signals(number).name}: {notice}\n".encode())

    def stop_if_asked(finish):
        if received:
            finish()
            hand_on(received[0])
            received.clear()

    def hand_on(number):
        with _handlers_set(before):
            signal.raise_signal(number)

    with _handling(keep) as before:
        yield stop_if_asked


@contextlib.contextmanager
def _handling(handler) -> Iterator[dict]:
    """Handles the signals inside; yields what did so before."""
    # Python has signals in the main thread alone. Who has chosen to ignore one goes on to.
    numbers = [
        number
        for number in _SIGNALS
        if threading.current_thread() is threading.main_thread()
        and signal.getsignal(number) not in (None, signal.SIG_IGN)
    ]
    before = {number: signal.getsignal(number) for number in numbers}
    with _handlers_set(dict.fromkeys(numbers, handler)):
        yield before


@contextlib.contextmanager
def _handlers_set(handlers: dict) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
