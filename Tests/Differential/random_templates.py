#!/usr/bin/env python3
"""Random chat templates, and what jinja2 makes of them in the environment of transformers.

    pip install jinja2
    python3 Tests/Differential/random_templates.py --seed 1 --count 20000 > templates.jsonl
    BITNET_TEMPLATE_CASES=$PWD/templates.jsonl swift test --filter JinjaReferenceTests

Every line is a template and its output, null where jinja2 refuses it. With a seed the output is the
same each time.
"""

import argparse
import json
import random

from jinja2.sandbox import ImmutableSandboxedEnvironment

PRELUDE = (
    "{% set s = 'Hello World' %}{% set n = 7 %}{% set x = 2.5 %}{% set l = [3, 1, 2] %}"
    "{% set w = ['b', 'A', 'c', 'a'] %}{% set d = {'b': 1, 'a': [2, none], 'k': 'v'} %}"
    "{% set t = (1, 'two') %}{% set u = [{'n': 'Bo', 'a': 3}, {'n': 'al', 'a': 1}] %}"
)
NAMES = ["s", "n", "x", "l", "w", "d", "t", "u", "missing", "loop", "i"]
LITERALS = [
    "0", "1", "-3", "12", "2.5", "1e3", "0.1", "''", "'a'", "' b c '", "'\\n'", "'é日'", "'%s'",
    "none", "true", "false", "[]", "[1, 'x']", "{}", "{'a': 1}", "()", "(1,)", "'Aa-bB 1'",
]
FILTERS = [
    "abs", "capitalize", "center(9)", "count", "d('z')", "default('z', true)", "dictsort", "e",
    "first", "float", "float(1)", "format(1)", "indent(2)", "int", "int(5)", "join", "join('-')",
    "join(',', 'n')", "last", "length", "list", "lower", "map('upper')|list",
    "map(attribute='n')|list", "max", "min", "reject('odd')|list", "rejectattr('a', 'eq', 1)|list",
    "replace('l', 'L')", "replace('o', '', 1)", "reverse|list", "round", "round(1)",
    "round(0, 'floor')", "select|list", "select('string')|list", "selectattr('a')|list", "slice(2)|list",
    "batch(2, 0)|list", "sort", "sort(reverse=true)", "sort(attribute='n')", "string", "sum",
    "sum(start=2)", "title", "tojson", "tojson(indent=1)", "trim", "trim('H')", "truncate(5)",
    "truncate(6, true, '.')", "unique|list", "upper", "urlencode", "wordcount", "wordwrap(4)",
    "groupby('a')|list", "items|list", "striptags", "xmlattr", "filesizeformat", "safe", "escape",
]
TESTS = [
    "defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "mapping",
    "sequence", "iterable", "callable", "odd", "even", "divisibleby(2)", "in(l)", "eq(1)",
    "sameas(none)", "lower", "upper", "true", "false", "gt(1)", "filter", "escaped",
]
OPERATORS = [
    "+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "and", "or", "in",
    "not in",
]
METHODS = [
    "upper()", "lower()", "strip()", "lstrip('H')", "rstrip()", "split()", "split('o')",
    "split('l', 1)", "title()", "startswith('H')", "endswith('d')", "find('o')", "count('l')",
    "replace('l', 'y')", "join(w)", "isdigit()", "isalpha()", "index('b')", "items()|list",
    "keys()|list", "values()|list", "get('a')", "get('q', 3)", "splitlines()", "zfill(4)",
    "center(5, '*')", "rjust(8)", "partition('o')", "removeprefix('He')", "capitalize()", "swapcase()",
    "format(1, a=2)", "encode()", "isspace()", "rfind('l')", "casefold()", "expandtabs()",
]


class Writer:
    def __init__(self, rng):
        self.rng = rng

    def expression(self, depth=2):
        rng, deeper = self.rng, depth - 1
        if depth <= 0 or rng.random() < 0.25:
            return rng.choice(NAMES + LITERALS)
        one = lambda: self.expression(deeper)
        kind = rng.randrange(10)
        if kind == 0:
            return f"({one()} {rng.choice(OPERATORS)} {one()})"
        if kind == 1:
            return f"{one()} {rng.choice(OPERATORS)} {one()}"
        if kind <= 4:
            return f"{one()}|{rng.choice(FILTERS)}"
        if kind == 5:
            return f"{one()} is {rng.choice(['', 'not '])}{rng.choice(TESTS)}"
        if kind == 6:
            return f"{one()}.{rng.choice(METHODS)}"
        if kind == 7:
            part = rng.choice(["0", "-1", "1:", ":2", "::-1", "1:-1", "'a'", "::2", "5"])
            return f"{rng.choice(NAMES)}[{part}]"
        if kind == 8:
            return f"({one()} if {one()} else {one()})"
        return rng.choice([f"not {one()}", f"-{one()}", f"[{one()}, {one()}]", f"{{'q': {one()}}}"])

    def tag(self, text):
        minus = lambda: self.rng.choice(["", "", "", "-", "+"])
        return "{%" + minus() + " " + text + " " + minus().replace("+", "") + "%}"

    def body(self, depth):
        return "".join(self.statement(depth) for _ in range(self.rng.randint(1, 3)))

    def statement(self, depth=2):
        rng, tag = self.rng, self.tag
        kind = rng.randrange(12) if depth > 0 else rng.randrange(4)
        if kind <= 2:
            return "{{ " + self.expression() + " }}"
        if kind == 3:
            return rng.choice(["a", "\n", "  ", " b\n", "\t", "{# c #}", "\n  ", "é", "}}", "{"])
        if kind <= 5:
            other = tag("else") + self.body(depth - 1) if rng.random() < 0.4 else ""
            return tag("if " + self.expression()) + self.body(depth - 1) + other + tag("endif")
        if kind <= 7:
            inner = self.body(depth - 1)
            if rng.random() < 0.3:
                inner += "{{ loop." + rng.choice(["index", "first", "last", "revindex0"]) + " }}"
            if rng.random() < 0.2:
                inner += tag("if i == 1") + tag(rng.choice(["break", "continue"])) + tag("endif")
            other = tag("else") + "none" if rng.random() < 0.2 else ""
            filtered = " if i" if rng.random() < 0.1 else ""
            return tag(f"for i in {self.expression(2)}{filtered}") + inner + other + tag("endfor")
        if kind == 8:
            return tag(f"set {rng.choice(NAMES[:8])} = {self.expression()}")
        if kind == 9:
            return (tag("set ns = namespace(a=0)") + tag(f"set ns.a = {self.expression()}")
                    + "{{ ns.a }}")
        if kind == 10:
            return (tag("macro m(a, b=2)") + "{{ a }}{{ b }}" + self.body(depth - 1)
                    + tag("endmacro") + "{{ m(" + self.expression(1) + ") }}")
        return tag(f"filter {rng.choice(['upper', 'trim', 'lower'])}") + self.body(0) + tag("endfilter")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--count", type=int, default=5000)
    arguments = arguments.parse_args()
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    # As in transformers.
    environment.filters["tojson"] = lambda value, **options: json.dumps(
        value, ensure_ascii=False, **options)
    writer = Writer(random.Random(arguments.seed))
    for _ in range(arguments.count):
        template = PRELUDE + "".join(writer.statement() for _ in range(writer.rng.randint(1, 2)))
        try:
            output = environment.from_string(template).render()
        except Exception:
            output = None
        # Addresses of objects differ from run to run.
        if output is None or (" at 0x" not in output and len(output) < 20000):
            print(json.dumps([template, output], ensure_ascii=True))


if __name__ == "__main__":
    main()
