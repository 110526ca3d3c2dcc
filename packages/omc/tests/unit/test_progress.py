"""Progress outlives its reader: what it tells of goes on."""

from __future__ import annotations

import os

from omc.progress import Progress


def test_work_goes_on_when_the_reader_of_its_progress_goes_away() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        progress = Progress(stream)
        progress.note("one")
        os.close(reading)
        done = []
        with progress.step("two"):
            progress.waiting("something")
            done.append("work")
        progress.done()
    assert done == ["work"]
