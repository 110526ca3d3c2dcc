"""An application that does something long before it begins to serve."""

import time


def begin(seconds: float) -> None:
    print(f"warming the caches up, about {seconds:g} s", flush=True)
    time.sleep(seconds)
