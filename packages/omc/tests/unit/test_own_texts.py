"""What omc itself has to say goes through the mask as everything does, and none of it may be taken for a secret."""

from __future__ import annotations

import json

import pytest

from localcloud.faults.catalogue import all_faults
from omc.cli.local_fault import _document, _plain
from omc.local.faults import Fault, Setting
from omc.output import markdown, terminal, to_json
from omc.redaction import mask

FAULTS = {
    name: Fault(
        name,
        it.injected,
        it.symptom,
        {key: Setting(setting.default, setting.help) for key, setting in it.settings.items()},
    )
    for name, it in all_faults().items()
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_and_its_choices_are_shown_whole(name: str) -> None:
    """The fault of a wrong secret talks of secrets and keys, and so do its settings."""
    fault = FAULTS[name]
    shown = _document([fault], "UTC")
    for text in (terminal.render(shown), markdown.render(shown)):
        assert mask(text) == text
    assert json.loads(to_json(_plain(fault))) == json.loads(json.dumps(_plain(fault)))


def test_there_are_texts_to_show() -> None:
    assert len(FAULTS) > 20
