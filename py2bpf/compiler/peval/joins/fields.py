"""Values that are joined field by field: iterators, ranges, views, and targets of augmented assignments."""

from __future__ import annotations

from typing import Any

from ..values import Abstract, NoValue
from ..values.base import is_same_field
from .join import Join, Meeting


class Fields(Join):
    def merge(self, meeting: Meeting, values: list[Abstract]) -> Abstract | None:
        first = values[0]
        if not first.by_fields or any(type(value) is not type(first) for value in values):
            return None
        fields: list[Any] = []
        for name in first.fields():
            parts = [getattr(value, name) for value in values]
            if isinstance(parts[0], Abstract):
                merged = meeting.values(parts)
                if isinstance(merged, NoValue):
                    return merged
                fields.append(merged)
            elif all(is_same_field(parts[0], part) for part in parts[1:]):
                fields.append(parts[0])
            else:
                return None
        return type(first)(*fields)
