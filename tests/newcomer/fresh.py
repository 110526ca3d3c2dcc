"""What README tells a newcomer to type, typed: a fresh clone in a folder with a space in its name, an ordinary user
where this one is root, the oldest Python that is supported and the newest that is here. Not a test: it takes minutes.

`make newcomer`. Exit codes: 0 all of it worked, 1 something didn't.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from support.commands import ROOT, clean_env
from support.fences import commands_under

NOBODY = 65534
KEPT = {"PATH", "LANG", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "TF_PLUGIN_CACHE_DIR"}


def pythons() -> list[str]:
    """The oldest and the newest of the machine that can make an environment."""
    places = [*os.get_exec_path(), *map(str, (Path.home() / ".pyenv/versions").glob("3.*/bin"))]
    works: list[str] = []
    for minor in range(11, 21):
        for place in dict.fromkeys(places):
            name = f"{place}/python3.{minor}"
            asked = [name, "-c", "import ensurepip"]
            if Path(name).exists() and not subprocess.run(asked, capture_output=True, check=False).returncode:
                works.append(name)
                break
    return list(dict.fromkeys([*works[:1], *works[-1:]]))


def ordinary(python: str) -> tuple[list[str], str]:
    """The command that makes root an ordinary user, and why there is none."""
    tool = shutil.which("setpriv")
    if os.geteuid() != 0:
        return [], "you are one"
    if tool is None:
        return [], "setpriv isn't here, so it runs as root"
    became = [tool, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    if subprocess.run([*became, python, "-c", ""], capture_output=True, check=False).returncode:
        return [], f"an ordinary user can't read {python}, so it runs as root"
    return became, "uid 65534"


def play(python: str) -> bool:
    """The whole of it with one Python; whether each line worked."""
    user, why = ordinary(python)
    print(f"== {python}, as an ordinary user: {why}", flush=True)
    home = Path(tempfile.mkdtemp(prefix="a newcomer "))
    folder = home / "a clone"
    try:
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", f"file://{ROOT}", folder], check=True)
        if user:
            home.chmod(0o755)
            for path in (home, *home.rglob("*")):
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        lines = commands_under(ROOT / "README.md", "Try it yourself")
        kept = {name: value for name, value in clean_env().items() if name in KEPT or name.startswith(("PIP_", "UV_"))}
        env = kept | {"HOME": str(home), "PYTHON": python, "AWS_EC2_METADATA_DISABLED": "true"}
        shown = [f"printf '$ %s\\n' {shlex.quote(line.partition('  ')[0])} >&2" for line in lines]
        script = "\n".join(part for pair in zip(shown, lines, strict=True) for part in pair)
        shell: list[str] = [*user, "bash", "--norc", "-e"]
        ended = subprocess.run(shell, input=script, text=True, cwd=folder, env=env, check=False)
        how = "all of it worked" if ended.returncode == 0 else f"ended with {ended.returncode}"
        print(f"== {python}: {how}", flush=True)
        return ended.returncode == 0
    finally:
        omc = folder / ".venv/bin/omc"
        if omc.exists():
            reset: list[str] = [*user, str(omc), "local", "reset", "--force", "--yes"]
            subprocess.run(reset, cwd=folder, capture_output=True, check=False)
        shutil.rmtree(home, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", action="append", help="this Python alone; may be repeated")
    chosen = parser.parse_args().python or pythons()
    worked = [play(python) for python in chosen]
    return 0 if all(worked) else 1


if __name__ == "__main__":
    sys.exit(main())
