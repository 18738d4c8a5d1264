"""Writes a configuration as YAML: mappings in block style, lists in flow style, as a person would."""
import json
import re

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*\Z")
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}


def scalar(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if _PLAIN.match(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value)


def _lines(mapping, indent):
    for key, value in mapping.items():
        if value is None:
            continue
        if isinstance(value, dict):
            yield f"{indent}{scalar(key)}:"
            yield from _lines(value, indent + "  ")
        elif isinstance(value, (list, tuple)) and value and isinstance(value[0], dict):
            yield f"{indent}{scalar(key)}:"
            for item in value:
                first, *rest = _lines(item, indent + "    ")
                yield f"{indent}  - {first.lstrip()}"
                yield from rest
        elif isinstance(value, (list, tuple)):
            yield f"{indent}{scalar(key)}: [{', '.join(map(scalar, value))}]"
        else:
            yield f"{indent}{scalar(key)}: {scalar(value)}"


def dump(settings):
    """A key whose value is None is left out."""
    return "\n".join(_lines(settings, "")) + "\n"
