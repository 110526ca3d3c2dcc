"""``python -m rehearsal.diagnosis``: the table, and docs/diagnosis-scores.md."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rehearsal.diagnosis.page import PAGE, page, table
from rehearsal.diagnosis.scores import Score, all_scores, summed


def main(words: Sequence[str]) -> int:
    scores = all_scores()
    print(table(scores))
    if "--missed" in words:  # of those that may be looked at
        for each in scores:
            if not each.scenario.is_held_out and _is_missed(each):
                print(_about(each))
    else:
        PAGE.write_text(page(scores))
        print(f"\nThe page is {PAGE.name} in docs.")
    return 1 if summed(scores).missed() else 0


def _is_missed(score: Score) -> bool:
    most = 1 if score.scenario.sort == "single" else 3
    return bool(score.alarms) or not all(
        1 <= told.rank <= most and told.is_path_right and told.is_action_right for told in score.told
    )


def _about(score: Score) -> str:
    lines = [f"{score.scenario.name}: {', '.join(score.alarms or score.causes) or 'nothing told'} {score.confidences}"]
    for told in score.told:
        names = " ".join(sorted(told.truth.names))
        lines.append(f"    {names} at {told.truth.place}: rank {told.rank}")
        if not told.is_path_right:
            lines.append(f"      path {told.path} and not {told.paths}")
        if not told.is_action_right:
            lines.append(f"      action isn't of {told.truth.actions}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
