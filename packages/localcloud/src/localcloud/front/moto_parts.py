"""Parts of moto's in a quicker form: half of what an answer costs here is moto's writing of it, value by value.

Each says the same as moto's own, which a test holds it against.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import xmltodict
from moto.core import responses, serialize
from moto.core.utils import get_value

NAMES: Final = 4096
"""Of classes, parameters and elements that are remembered."""

_base: Any = serialize.ResponseSerializer
_json: Any = serialize.BaseJSONSerializer
_motos_value, _motos_list = _base.get_value, _json._serialize_type_list


def _value(self: Any, value: Any, key: str, shape: Any) -> Any:
    """moto describes for each value where it is, for pickers that want to know; its plain one doesn't."""
    if type(self._value_picker) is not serialize.DefaultAttributePicker:
        return _motos_value(self, value, key, shape)
    return value.get(key) if type(value) is dict and "." not in key else get_value(value, key, None)


def _list(self: Any, serialized: Any, value: Any, shape: Any, key: str) -> None:
    """Of numbers and moments, of which a day's metrics have thousands."""
    member = shape.member
    if "name" in member.serialization or member.type_name not in ("double", "float", "timestamp"):
        _motos_list(self, serialized, value, shape, key)
    elif member.type_name == "timestamp":
        written = self._timestamp_serializer
        form = member.serialization.get("timestampFormat", written.default_format)
        convert = written._convert_timestamp_to_str
        is_number = form.lower() == "unixtimestamp"
        moments = [int(each.timestamp()) if is_number and _is_whole(each) else convert(each, form) for each in value]
        self._default_serialize(serialized, moments, shape, key)
    else:
        self._default_serialize(serialized, [float(each) for each in value], shape, key)


def _is_whole(value: Any) -> bool:
    """A moment of a known zone, on the second."""
    return type(value) is datetime and value.tzinfo is not None and not value.microsecond


def install() -> None:
    """Put them into moto's place, for this process."""
    _base.get_value, _json._serialize_type_list = _value, _list
    for module, name in (
        (responses, "method_names_from_class"),
        (responses, "camelcase_to_underscores"),
        (xmltodict, "_validate_name"),
    ):
        function = getattr(module, name)
        if not hasattr(function, "cache_info"):
            setattr(module, name, lru_cache(NAMES)(function))
