"""A stand-in for ``session-manager-plugin``, which the AWS CLI starts for a session and which can't be had from PyPI.

It speaks the protocol by the tests' own client, types what comes in on stdin, and prints what the session says.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.session_client import SessionClient, key_maker

TIMEOUT = 60.0


def main() -> None:
    if len(sys.argv) == 1:
        return  # the CLI asks whether there is such a program
    session = json.loads(sys.argv[1])

    def make_key(key: str) -> tuple[bytes, bytes]:
        import boto3

        return key_maker(boto3.client("kms"), session["sessionId"], json.loads(sys.argv[5])["Target"])(key)

    with SessionClient(session, make_key=make_key).begin(TIMEOUT) as client:

        def type_all() -> None:
            for line in sys.stdin:
                client.type(line)

        threading.Thread(target=type_all, daemon=True).start()
        client.end(TIMEOUT)
        sys.stdout.write(client.output.replace("\r\n", "\n"))


if __name__ == "__main__":
    main()
