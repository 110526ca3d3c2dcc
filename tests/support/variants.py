"""Copies of the apps that are broken in one way each, pushed as real images: what a bad release is made of."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from pathlib import Path

from support.commands import ROOT
from support.stack import Stack

FILES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "good": (),
    "crashing": (("__main__.py", "import uvicorn\n", "import exchange_rates\nimport uvicorn\n"),),
    "without its secret": (("__main__.py", "import uvicorn\n", 'import uvicorn\nos.environ["STRIPE_KEY"]\n'),),
    "unhealthy": (
        ("api.py", '@router.get("/health/live")', '@router.get("/nowhere/live")'),
        ("api.py", '@router.get("/health/ready")', '@router.get("/nowhere/ready")'),
    ),
    "failing on cue": (
        (
            "logs.py",
            "    try:\n        response = await",
            "    try:\n"
            '        if Path("{cue}").exists() and not path.startswith("/health"):\n'
            '            raise RuntimeError("the price feed is gone")\n'
            "        response = await",
        ),
        ("logs.py", "import uuid\n", "import uuid\nfrom pathlib import Path\n"),
    ),
    "leaking on cue": (
        (
            "__main__.py",
            "import uvicorn\n",
            "import threading\nimport time\nfrom pathlib import Path\n\nimport uvicorn\n\n\n"
            'def leak():\n    while not Path("{cue}").exists():\n        time.sleep(0.2)\n'
            "    kept = []\n    while True:\n"
            "        kept.append(bytearray(b'x' * 16_000_000))\n        time.sleep(0.05)\n\n\n"
            "threading.Thread(target=leak, daemon=True).start()\n",
        ),
    ),
    "with a failing migration": (
        ("migrations/0099_broken.sql", "", "ALTER TABLE coins ADD COLUMN no_such_type nonsense;\n"),
    ),
}
"""By name: (file of the app's package, what is replaced, by what); where nothing is replaced, it is appended."""


def push(stack: Stack, variant: str, app: str = "backend", *, cue: Path | None = None) -> str:
    """Push a variant of an app, another build each time; its digest.

    Those ``on cue`` go wrong once the file ``cue`` exists: a test says when, so no machine is too slow or too quick.
    """
    assert (cue is not None) == variant.endswith("on cue")
    with tempfile.TemporaryDirectory(prefix="omc-variant-") as folder:
        source = Path(folder) / app
        shutil.copytree(ROOT / "apps" / app, source, ignore=shutil.ignore_patterns("__pycache__"))
        for name, old, new in FILES[variant]:
            file = source / app / name
            text = file.read_text() if file.exists() else ""
            assert old in text, f"{name} no longer has {old!r}"
            broken = new.replace("{cue}", str(cue))
            file.write_text(text.replace(old, broken, 1) if old else text + broken)
        (source / "build").write_text(uuid.uuid4().hex)
        done = stack.localcloud("push", str(source), "--repository", f"ohmycoins/{app}")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
