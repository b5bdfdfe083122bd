"""What Ctrl-C interrupts while tasks run, and what it does not."""

import signal
import threading
from concurrent.futures import Future

import pytest

from fakeforensics.lookahead import look_ahead, uninterrupted


@pytest.fixture(autouse=True)
def usual_ctrl_c():
    """Python's own handler; a shell that starts the tests in the background lets them ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_waits_until_no_lock_is_held():
    steps = []

    def ask():
        with uninterrupted():
            with uninterrupted():  # as in a pool that is closed while another one submits
                signal.raise_signal(signal.SIGINT)
                steps.append("inner")
            steps.append("outer")

    with pytest.raises(KeyboardInterrupt):
        ask()
    assert steps == ["inner", "outer"]
    thread = threading.Thread(target=lambda: steps.append(signal.getsignal(signal.SIGINT)))
    with uninterrupted():  # sets no handler in a thread, which Python forbids
        thread.start()
        thread.join()
    with uninterrupted():
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("asked_at", [1, 3])  # while it starts the first tasks; while it continues
def test_ctrl_c_does_not_interrupt_the_submission_of_a_task(asked_at):
    submitted = []

    def submit(item):
        future = Future()
        future.set_result(item)
        if item == asked_at:
            signal.raise_signal(signal.SIGINT)
        submitted.append(item)
        return future

    with pytest.raises(KeyboardInterrupt):
        list(look_ahead(submit, range(10), 2))
    assert submitted == list(range(asked_at + 1))


def test_ctrl_c_ends_the_wait_for_a_task_that_does_not_end():
    threading.Timer(0.3, signal.raise_signal, (signal.SIGINT,)).start()
    with pytest.raises(KeyboardInterrupt):
        list(look_ahead(lambda _: Future(), [0], 1))
