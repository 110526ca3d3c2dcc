"""moto's own tests against the local cloud: what passes, what is refused by name, what differs.

`make bench-conformance`; a part: `make bench-conformance SERVICES="ecs logs"`. The tests come from the source package
of the pinned moto, downloaded by pip into a cache folder; MOTO_SOURCE names a folder with that package's `tests`
instead, for a machine without an index. Where neither is to be had the bench says so and ends well. Each test gets an
empty cloud (`conformance_cloud`). In order:

    counts      by service, how many passed, and how many failed in which way
    verified    the same of the tests that moto's authors ran against AWS itself
    worse       tests that fail and aren't in known.json, and answers with a status of 500 or more

It fails where anything is worse. WRITE=1 puts what was measured into known.json, for the services that were run. A
test is *refused* where the cloud said that it doesn't support an operation or a service; *identity* where it takes
for granted that nobody asks who calls (unsigned requests, other accounts); *clock* where it signs with another year's
time; *slow* where it took longer than 40 s; *internal* where the cloud answered with a failure of its own; *differs*
where it gave another answer. Many of those differ by design: moto's own names, and what real tasks and databases
take.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
KNOWN = HERE / "known.json"
SERVICES = (
    *("acm", "applicationautoscaling", "budgets", "cloudtrail", "cloudwatch", "dynamodb", "ec2", "ecr", "ecs"),
    *("elasticache", "elbv2", "events", "iam", "kms", "logs", "rds", "resourcegroupstaggingapi", "route53", "s3"),
    *("s3control", "secretsmanager", "servicediscovery", "servicequotas", "sns", "sqs", "ssm", "sts", "wafv2"),
)
"""moto's names of the services that this cloud speaks."""
FREEZEGUN = "freezegun==1.5.5"
"""The one package that those tests want and we don't have."""
TIMEOUT = 40
SERVICE_SECONDS = 1200
KINDS = ("refused", "identity", "clock", "differs", "internal", "slow", "5xx")


class Skipped(Exception):
    """Why the tests can't be had here."""


def source() -> Path:
    """A folder with moto's `tests` and nothing else of moto: the installed one is the one that is tested."""
    version = importlib.metadata.version("moto")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "omc" / f"moto-{version}"
    if provided := os.environ.get("MOTO_SOURCE"):
        tests = Path(provided) / "tests"
        if not tests.is_dir():
            raise Skipped(f"{tests} is no folder: MOTO_SOURCE is to name the unpacked source package of moto {version}")
        cache = Path(tempfile.mkdtemp(prefix="moto-tests-"))
        shutil.copytree(tests, cache / "tests")
        return cache
    if not (cache / "tests").is_dir():
        with tempfile.TemporaryDirectory() as folder:
            _pip("download", "--no-binary", ":all:", "--no-deps", "--dest", folder, f"moto=={version}")
            [package] = Path(folder).glob("moto-*.tar.gz")
            with tarfile.open(package) as archive:
                wanted = [each for each in archive.getmembers() if each.name.split("/")[1:2] == ["tests"]]
                archive.extractall(folder, wanted, filter="data")
            cache.mkdir(parents=True, exist_ok=True)
            shutil.move(Path(folder) / f"moto-{version}" / "tests", cache / "tests")
    return cache


def packages() -> Path:
    """A folder with what the tests import beside ours; empty where it can't be had, which costs some files."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "omc" / FREEZEGUN
    if not folder.is_dir():
        try:
            _pip("install", "--quiet", "--no-deps", "--target", str(folder), FREEZEGUN)
        except Skipped as problem:
            print(f"{FREEZEGUN} can't be had ({problem}): the files that import it are not run")
    return folder


def _pip(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Skipped((done.stderr.strip().splitlines() or ["pip failed"])[-1])


def run(service: str, tests: Path, more: Path, results: Path) -> list[dict[str, Any]]:
    """How each test of a service ended."""
    folder = results / service
    folder.mkdir()
    environment = {
        **os.environ,
        "TEST_SERVER_MODE": "true",
        "AWS_DEFAULT_REGION": "us-east-1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_ACCESS_KEY_ID": "FOOBARKEY",
        "AWS_SECRET_ACCESS_KEY": "FOOBARSECRET",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONPATH": f"{HERE}:{more}",
        "CONFORMANCE_RESULTS": str(folder),
        "TESTS_SKIP_REQUIRES_DOCKER": "true",
    }
    command = [
        *(sys.executable, "-m", "pytest", f"tests/test_{service}", "-n", os.environ.get("WORKERS", "2")),
        *("-p", "conformance_plugin", "-p", "no:cacheprovider", "--timeout", str(TIMEOUT), "--tb", "line"),
        *("-c", os.devnull, "--rootdir", str(tests), "-W", "ignore", "--continue-on-collection-errors"),
    ]
    try:
        done = subprocess.run(
            command, cwd=tests, env=environment, capture_output=True, text=True, timeout=SERVICE_SECONDS, check=False
        )
        if done.returncode not in (0, 1):
            print("\n".join(done.stdout.splitlines()[-15:]), done.stderr[-500:])
    except subprocess.TimeoutExpired:
        print(f"{service}: cut off after {SERVICE_SECONDS} s; what it had so far counts")
    lines = [line for file in folder.glob("*.jsonl") for line in file.read_text().splitlines()]
    return [json.loads(line) for line in lines]


def summary(results: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Counts by how the tests ended, without those that moto itself skips in server mode."""
    counts = Counter(each["kind"] or each["outcome"] for each in results if each["outcome"] != "skipped")
    return {name: counts[name] for name in ("passed", *KINDS)}


def failing(results: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Names of the tests that fail, by kind."""
    found: dict[str, list[str]] = defaultdict(list)
    for each in results:
        if each["kind"]:
            found[each["kind"]].append(each["test"].removeprefix("tests/"))
    return {kind: sorted(found[kind]) for kind in KINDS if found[kind]}


def worse(service: str, measured: Mapping[str, list[str]], known: Mapping[str, Any]) -> list[str]:
    """What fails and did not, or fails in a worse way. A slow test may be slow or not, by the machine."""
    accepted = {name for names in known.get("failing", {}).get(service, {}).values() for name in names}
    messages = [f"5xx: {name}" for name in measured.get("5xx", [])]
    return messages + [
        f"{kind}: {name}"
        for kind, names in measured.items()
        for name in names
        if name not in accepted and kind not in ("5xx", "slow")
    ]


def main() -> int:
    chosen = os.environ.get("SERVICES", "").split() or list(SERVICES)
    if unknown := [name for name in chosen if name not in SERVICES]:
        print(f"There are no tests of {', '.join(unknown)}; there are {', '.join(SERVICES)}.")
        return 2
    try:
        tests = source()
    except Skipped as problem:
        print(
            f"skipped: moto's tests are not to be had here ({problem}). MOTO_SOURCE=FOLDER names an unpacked package."
        )
        return 0
    more = packages()
    known = json.loads(KNOWN.read_text()) if KNOWN.exists() else {}
    problems: list[str] = []
    total: Counter[str] = Counter()
    verified: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="conformance-results-") as folder:
        print(f"{'service':26}" + "".join(f"{name:>9}" for name in ("passed", *KINDS)), flush=True)
        for service in chosen:
            results = run(service, tests, more, Path(folder))
            counts, found = summary(results), failing(results)
            print(f"{service:26}" + "".join(f"{counts[name]:>9}" for name in ("passed", *KINDS)), flush=True)
            total.update(counts)
            checked = summary(each for each in results if each["verified"])
            verified.update(checked)
            if os.environ.get("WRITE"):
                known.setdefault("counts", {})[service] = counts
                known.setdefault("verified", {})[service] = checked
                known.setdefault("failing", {})[service] = found
                known["moto"] = importlib.metadata.version("moto")
                KNOWN.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
                problems += [f"5xx: {name}" for name in found.get("5xx", [])]
            elif service in known.get("counts", {}):
                problems += worse(service, found, known)
                if counts["passed"] < known["counts"][service]["passed"] - counts["slow"]:
                    problems.append(f"{service}: {counts['passed']} pass, {known['counts'][service]['passed']} did")
            else:
                print(f"{'':26}(known.json has nothing of it to compare with)")
    print(f"{'all':26}" + "".join(f"{total[name]:>9}" for name in ("passed", *KINDS)))
    print(f"{'of them seen on AWS':26}" + "".join(f"{verified[name]:>9}" for name in ("passed", *KINDS)))
    for each in problems:
        print(f"worse: {each}")
    print(json.dumps({"all": total, "verified": verified, "worse": len(problems), "machine": platform.platform()}))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
