"""Ctrl-C is kept where it must not strike, and strikes afterwards."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from omc import interrupts
from omc import terraform as tf
from omc.interrupts import deferred_signals, reraise_interrupts


def test_an_interrupt_waits_for_the_end_of_the_block() -> None:
    done: list[str] = []

    def work() -> None:
        with deferred_signals() as interrupted:
            done.append(f"before: {interrupted()}")
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            done.append(f"after: {interrupted()}")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["before: False", "after: True"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_of_the_block_gives_way_to_the_interrupt() -> None:
    def work() -> None:
        with deferred_signals():
            signal.raise_signal(signal.SIGINT)
            raise OSError("what was interrupted failed for that")

    with pytest.raises(KeyboardInterrupt) as caught:
        work()
    assert isinstance(caught.value.__context__, OSError)


def test_each_signal_does_at_the_end_what_it_would_have_done(restored: None) -> None:
    came: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    with deferred_signals():
        signal.raise_signal(signal.SIGTERM)
        assert came == []
    assert came == [signal.SIGTERM]


def test_a_signal_that_is_ignored_stays_ignored(restored: None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with deferred_signals() as interrupted:
        signal.raise_signal(signal.SIGINT)
        assert not interrupted()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_another_thread_leaves_the_signals_alone() -> None:
    seen: list[object] = []

    def work() -> None:
        with deferred_signals() as interrupted:
            seen.extend([signal.getsignal(signal.SIGINT), interrupted()])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler, False]


def test_an_error_that_only_came_of_an_interrupt_is_one() -> None:
    def clean_up_after(interrupt: BaseException) -> None:
        with reraise_interrupts():
            try:
                raise interrupt
            finally:
                Path("/nowhere/at/all").unlink()

    with pytest.raises(KeyboardInterrupt):
        clean_up_after(KeyboardInterrupt())
    with pytest.raises(FileNotFoundError):
        clean_up_after(ValueError())


def test_an_interrupt_while_terraform_is_started_is_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At whichever line of Python's own library: one there made a missing temporary file of it, others lost it."""
    monkeypatch.setattr(tf, "POLL_INTERVAL", 0.001)
    executable = tmp_path / "terraform"
    executable.write_text("#!/bin/sh\necho hello\n")
    executable.chmod(0o755)
    terraform = tf.Terraform(executable, None)

    def run_until(last: int) -> int:
        """Run Terraform and be interrupted at the line of this number; returns how many lines there were."""
        number = 0
        started = False

        def trace(frame: FrameType, event: str, _: object) -> Any:
            nonlocal number, started
            started = started or frame.f_code.co_name == "poll"
            if started or Path(frame.f_code.co_filename).name not in {"tempfile.py", "subprocess.py"}:
                return None
            if event == "line":
                number += 1
                if number == last:
                    signal.raise_signal(signal.SIGINT)
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            tf.run(terraform, tmp_path, ["init"], env={})
        finally:
            sys.settrace(before)
        return number

    run_until(0)  # the first time looks for a folder for temporary files
    for line in count(1):
        try:
            lines = run_until(line)
        except KeyboardInterrupt:
            assert tf._RUNNING == []
            continue
        assert lines < line, f"the interrupt at line {line} was lost"
        assert lines > 50
        break


@pytest.fixture
def restored() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in interrupts.HELD_SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
