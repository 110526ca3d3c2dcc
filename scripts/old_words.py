"""Refuses identifiers that are none of the trade's words: what they were called once, and what to call them.

`docs/glossary.md` has the words. Exit code 1 where one is back, with file and line.
"""

from __future__ import annotations

import io
import sys
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("packages/omc/src", "packages/localcloud/src", "benchmarks", "scripts")

OLD = {
    "told": "response, record, message",
    "said": "response, payload, message",
    "told_apart": "reraise_interrupts",
    "asked": "request, requested",
    "asking": "request",
    "Asked": "…Request",
    "rests_on": "preconditions",
    "filled_in": "resolve",
    "goes_on": "pending_notice, continues",
    "at_once": "immediate",
    "CutShort": "Interrupted",
    "next_move": "decide",
    "TakeBack": "RollBack",
    "conduct": "execute",
    "conducting": "execution",
    "until_stopped": "run_forever",
    "Account": "RunDetails",
    "Given": "ExternalApproval",
    "standing": "valid_approvals, current",
    "refuse_second": "ensure_no_active_run",
    "in_the_way": "conflict_message",
    "Place": "StoreLocation",
    "place_of": "locate_store",
    "Site": "RunContext, LocalStack",
    "Reach": "LocalEndpoint",
    "Stuck": "RunPaused",
    "Silent": "NullReporter",
    "surely_dead": "is_known_dead",
    "Stay": "DeploymentPeriod",
    "Way": "ServiceRollback",
    "settling": "bake",
    "Does": "ChangeAction",
    "Loss": "DataLoss",
    "Bill": "CostEstimator",
    "UNREAD": "NO_READING",
    "side_by_side": "parallel_map",
    "shape_of": "fingerprint",
    "meant": "did_you_mean, intended",
    "LOOK": "POLL_INTERVAL",
    "AGAIN": "RETRY_DELAY",
    "SEEN": "HEARTBEAT_TTL",
    "HELD": "CLAIM_TTL",
    "MOST": "MAX_…",
    "LEAST": "MIN_…",
    "LONGEST": "MAX_…",
    "What": "Payload",
    "begun": "started, has_begun",
    "folded": "replay, normalised",
    "Mend": "ResponsePatch",
    "mend": "patch_response",
    "mends": "moto_fixes",
    "Trust": "MotoCoverage",
    "CUT": "TRUNCATED",
    "UNHEARD": "NO_RESPONSE",
    "Keeper": "FirewallProcess",
    "Hop": "NextHop",
    "Paid": "UsageRecord",
    "Workshop": "WorkerProcess",
    "Pace": "RateLimiter",
    "Surroundings": "EvaluationContext",
    "Home": "AddressBlock",
    "InForce": "ActiveFault",
}
"""The old word, and what is said instead."""


def old_words(text: str) -> list[tuple[int, str]]:
    """The lines of Python source on which an old word is an identifier, with the word."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [(token.start[0], token.string) for token in tokens if token.type == tokenize.NAME and token.string in OLD]


def main() -> int:
    found = [
        f"{file.relative_to(ROOT)}:{line}: {word} is called {OLD[word]} (docs/glossary.md)"
        for folder in FOLDERS
        for file in sorted((ROOT / folder).rglob("*.py"))
        for line, word in old_words(file.read_text())
    ]
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
