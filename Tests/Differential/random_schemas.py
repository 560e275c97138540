#!/usr/bin/env python3
"""Random small JSON schemas, and which of many small texts jsonschema finds valid.

    pip install jsonschema
    python3 Tests/Differential/random_schemas.py --seed 1 --count 5000 > schemas.jsonl
    BITNET_SCHEMA_CASES=$PWD/schemas.jsonl swift test --filter JSONSchemaDifferentialTests

Every line is a schema, the texts that a grammar of it must take, and those that it must not. Of
valid texts a grammar takes those with properties in the schema's order, and with others only where
`additionalProperties` asks for them; which those are is decided here, by itself. With a seed the
output is the same each time.
"""

import argparse
import json
import random

from jsonschema import Draft202012Validator

SCALARS = [
    None, True, False, 0, 1, 2, 3, -1, 5, 7, 10, 12, -12, 100, 0.5, 1.5, 2.25, -0.5, 10.5,
    "", "a", "b", "ab", "aab", "é", "a\"", "\\", "1", "日本", "a b",
]
NAMES = ["a", "b", "c", "é"]
PATTERNS = ["^a", "b$", "^a+b?$", "[ab]{2}", "^(a|b)*$", "\\d", "^.$", "a.b"]
TYPES = ["null", "boolean", "integer", "number", "string", "array", "object"]


def schema(rng, depth, root):
    kind = rng.randrange(12)
    if kind == 0:
        return {"enum": rng.sample(SCALARS, rng.randint(1, 4))}
    if kind == 1:
        return {"const": rng.choice(SCALARS)}
    if kind == 2 and depth:
        return {"anyOf": [schema(rng, depth - 1, root) for _ in range(rng.randint(1, 3))]}
    if kind == 3 and root.get("$defs"):
        return {"$ref": "#/$defs/" + rng.choice(list(root["$defs"]))}
    name = rng.choice(TYPES if depth else TYPES[:5])
    result = {"type": name}
    if rng.random() < 0.1:
        result["type"] = [name, "null"]
    if name in ("integer", "number"):
        numbers(rng, result, name)
    elif name == "string":
        strings(rng, result)
    elif name == "array":
        result["items"] = schema(rng, depth - 1, root)
        bounds(rng, result, "minItems", "maxItems", 3)
    elif name == "object":
        objects(rng, result, depth, root)
    return result


def numbers(rng, result, name):
    values = [-12, -1, 0, 1, 2, 5, 7, 10, 12, 100] + ([] if name == "integer" else [0.5, 1.5, -0.5])
    if rng.random() < 0.4:
        result[rng.choice(["minimum", "exclusiveMinimum"])] = rng.choice(values)
    if rng.random() < 0.4:
        result[rng.choice(["maximum", "exclusiveMaximum"])] = rng.choice(values)
    if name == "integer" and rng.random() < 0.2:
        result["multipleOf"] = rng.choice([1, 2, 3, 5])


def strings(rng, result):
    if rng.random() < 0.4:
        result["pattern"] = rng.choice(PATTERNS)
    else:
        bounds(rng, result, "minLength", "maxLength", 3)


def objects(rng, result, depth, root):
    names = rng.sample(NAMES, rng.randint(0, 3))
    result["properties"] = {name: schema(rng, depth - 1, root) for name in names}
    if names and rng.random() < 0.6:
        result["required"] = rng.sample(names, rng.randint(1, len(names)))
    if rng.random() < 0.3:
        result["additionalProperties"] = rng.choice([False, True])


def bounds(rng, result, least, most, limit):
    if rng.random() < 0.4:
        result[least] = rng.randint(0, limit)
    if rng.random() < 0.4:
        result[most] = rng.randint(result.get(least, 0), limit)


def instance(rng, part, root, depth=0):
    """A value that has a chance to be valid."""
    if depth > 6 or not isinstance(part, dict) or rng.random() < 0.08:
        return rng.choice(SCALARS)
    if "$ref" in part:
        return instance(rng, root["$defs"][part["$ref"].split("/")[-1]], root, depth + 1)
    for key in ("enum", "anyOf"):
        if key in part:
            chosen = rng.choice(part[key])
            return chosen if key == "enum" else instance(rng, chosen, root, depth + 1)
    if "const" in part:
        return part["const"]
    name = part["type"] if isinstance(part["type"], str) else rng.choice(part["type"])
    if name == "array":
        return [instance(rng, part["items"], root, depth + 1) for _ in range(rng.randrange(4))]
    if name == "object":
        result = {}
        for key, value in part["properties"].items():
            if key in part.get("required", []) or rng.random() < 0.5:
                result[key] = instance(rng, value, root, depth + 1)
        if rng.random() < 0.1:
            items = list(result.items()) + [(rng.choice(NAMES + ["z"]), 1)]
            rng.shuffle(items)
            result = dict(items)
        return result
    return rng.choice([value for value in SCALARS if kind_of(value, name)])


def kind_of(value, name):
    return Draft202012Validator({"type": name}).is_valid(value)


def is_written(value, part, root):
    """Whether a valid value is written as a grammar writes it: its properties in order."""
    if "$ref" in part:
        return is_written(value, root["$defs"][part["$ref"].split("/")[-1]], root)
    if "anyOf" in part:
        return any(
            Draft202012Validator(dict(root_definitions(root), **choice)).is_valid(value)
            and is_written(value, choice, root)
            for choice in part["anyOf"])
    if isinstance(value, list) and "items" in part:
        return all(is_written(item, part["items"], root) for item in value)
    if isinstance(value, dict) and "properties" in part:
        known = [key for key in part["properties"] if key in value]
        others = [key for key in value if key not in part["properties"]]
        if others and part.get("additionalProperties") is not True:
            return False
        return list(value) == known + others and all(
            is_written(value[key], part["properties"][key], root) for key in known)
    return True


def root_definitions(root):
    return {"$defs": root["$defs"]} if "$defs" in root else {}


def line(rng):
    root = {}
    if rng.random() < 0.3:
        root["$defs"] = {}
        root["$defs"]["one"] = schema(rng, 1, {})
    root.update(schema(rng, 3, root))
    validator = Draft202012Validator(root)
    valid, invalid = set(), set()
    for _ in range(40):
        value = instance(rng, root, root)
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        if not validator.is_valid(value):
            invalid.add(text)
        elif is_written(value, root, root):
            valid.add(text)
    # Texts that are no JSON, or more than one.
    for text in list(valid)[:3]:
        invalid.update([text + ",", text[:-1] if text[-1] in '"]}' else text + "]"])
    return {"schema": json.dumps(root), "valid": sorted(valid), "invalid": sorted(invalid)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    for _ in range(arguments.count):
        print(json.dumps(line(rng), ensure_ascii=False))


if __name__ == "__main__":
    main()
