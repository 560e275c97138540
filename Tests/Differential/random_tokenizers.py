#!/usr/bin/env python3
"""Random small tokenizers, and what Hugging Face's tokenizers makes of texts with them.

    pip install tokenizers
    python3 Tests/Differential/random_tokenizers.py --seed 1 --count 2000 > cases.jsonl
    BITNET_TOKENIZER_CASES=$PWD/cases.jsonl swift test --filter TokenizerDifferentialTests

Every line is a tokenizer.json under "json" and "cases" of a text, its ids, and what they decode to.
With a seed the output is the same each time. The settings are those that this package reads, in
all combinations; a tokenizer that tokenizers itself refuses is left out.
"""

import argparse
import json
import random
import sys

from tokenizers import Tokenizer

MARK = "\u2581"
LETTERS = ["a", "b", "c", "A"]
# Texts are made of these; not all of them have tokens.
PIECES = LETTERS + [
    " ", "  ", "\n", "\t", "\u00a0", MARK, "1", "23", "!", ".", "'s", "é", "e\u0301", "e",
    "\u0301", "\u0327", "日", "ﬁ", "İ", "<s>", "<w>", "<t>", "ab", "bc", "<0x0A>", "_",
]


def byte_alphabet():
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table, more = {}, 0
    for byte in range(256):
        if byte in printable:
            table[byte] = chr(byte)
        else:
            table[byte] = chr(0x100 + more)
            more += 1
    return table


ALPHABET = byte_alphabet()


def spell(text):
    return "".join(ALPHABET[byte] for byte in text.encode())


def some(rng, items, least=0):
    items = list(items)
    return rng.sample(items, rng.randint(least, len(items)))


def vocabulary(rng, marked):
    """Symbols, some missing, and random merges of them."""
    if marked:
        symbols = some(rng, LETTERS + ["1", "2", "!", "é", "日", "e", "<", "s", ">", "\n"], 3)
        if rng.random() < 0.8:
            symbols.append(MARK)
        if rng.random() < 0.5:
            bytes_ = range(256) if rng.random() < 0.7 else some(rng, range(256))
            symbols += [f"<0x{byte:02X}>" for byte in bytes_]
    elif rng.random() < 0.5:
        symbols = list(ALPHABET.values())
    else:
        symbols = [c for c in some(rng, {c for p in PIECES for c in spell(p)}, 5)]
        symbols.sort()
    rng.shuffle(symbols)
    plain = [s for s in symbols if not s.startswith("<0x")]
    near = [s for s in plain if s in "abcA" + MARK + ALPHABET[32]] or plain
    tokens, merges = list(dict.fromkeys(symbols)), []
    for _ in range(rng.randint(0, 14)):
        pool = near if rng.random() < 0.7 else plain
        left, right = rng.choice(pool + plain[-2:]), rng.choice(pool)
        merges.append((left, right))
        if left + right not in tokens:
            tokens.append(left + right)
            plain.append(left + right)
            near.append(left + right)
    if rng.random() < 0.2:
        merges += some(rng, merges)
    return tokens, merges


def normalizer(rng, marked):
    parts = []
    choices = [
        {"type": "NFC"}, {"type": "NFD"}, {"type": "NFKC"}, {"type": "NFKD"},
        {"type": "Lowercase"},
        {"type": "Strip", "strip_left": rng.random() < 0.5, "strip_right": rng.random() < 0.5},
        {"type": "Prepend", "prepend": rng.choice(["a", MARK, " "])},
        {"type": "Replace", "pattern": {"String": rng.choice(["b", " ", MARK, "ab"])},
         "content": rng.choice(["", "a", " ", MARK, "cc"])},
        {"type": "Replace", "pattern": {"Regex": rng.choice([r"\s+", "a+", "[bc]"])},
         "content": rng.choice(["", "a", " "])},
    ]
    for _ in range(rng.choice([0, 0, 0, 1, 1, 2, 3])):
        parts.append(rng.choice(choices))
    if marked == "normalizer":
        mark = {"type": "Replace", "pattern": {"String": " "}, "content": MARK}
        parts.insert(rng.randint(0, len(parts)), mark)
        if rng.random() < 0.5:
            parts.insert(parts.index(mark), {"type": "Prepend", "prepend": MARK})
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else {"type": "Sequence", "normalizers": parts}


def split(rng, pattern):
    behaviors = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
    return {"type": "Split", "pattern": pattern, "behavior": rng.choice(behaviors),
            "invert": rng.random() < 0.3}


GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def pre_tokenizer(rng, marked):
    if marked:
        parts = []
        if marked == "metaspace":
            parts.append({"type": "Metaspace", "replacement": MARK,
                          "prepend_scheme": rng.choice(["always", "first", "never"]),
                          "split": rng.random() < 0.5})
        for part in [split(rng, {"String": rng.choice([" ", MARK, "b"])}),
                     {"type": "Digits", "individual_digits": rng.random() < 0.5},
                     {"type": "Punctuation", "behavior": "Isolated"}]:
            if rng.random() < 0.2:
                parts.append(part)
    else:
        parts = []
        expressions = [GPT2, LLAMA3, r"\p{L}+", r"\s", r"[^\s]+|\s+", r"\p{N}"]
        for part in [split(rng, {"Regex": rng.choice(expressions)}),
                     split(rng, {"String": rng.choice([" ", "b", "ab"])}),
                     {"type": "Digits", "individual_digits": rng.random() < 0.5},
                     {"type": "Punctuation", "behavior": "Isolated"},
                     {"type": "WhitespaceSplit"}]:
            if rng.random() < 0.3:
                parts.append(part)
        first = not parts
        parts.append({"type": "ByteLevel", "add_prefix_space": first and rng.random() < 0.4,
                      "trim_offsets": True, "use_regex": rng.random() < 0.5})
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else {"type": "Sequence", "pretokenizers": parts}


def decoder(rng, marked):
    if not marked:
        return {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True,
                "use_regex": True}
    parts = [{"type": "Replace", "pattern": {"String": MARK}, "content": " "},
             {"type": "ByteFallback"}, {"type": "Fuse"}]
    if rng.random() < 0.5:
        parts.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return {"type": "Sequence", "decoders": parts}


def added_tokens(rng, tokens):
    texts = some(rng, ["<s>", "<w>", "<t>", " ", "ab", "é", MARK, "b"])
    # Tokens of the vocabulary, too.
    texts = list(dict.fromkeys(texts + some(rng, tokens)[: rng.randint(0, 2)]))
    result, next_id = [], len(tokens)
    for text in texts:
        if text in tokens:
            id_ = tokens.index(text)
        else:
            id_, next_id = next_id, next_id + 1
        flag = lambda: rng.random() < 0.25
        result.append({"id": id_, "content": text, "single_word": flag(), "lstrip": flag(),
                       "rstrip": flag(), "normalized": flag(), "special": rng.random() < 0.5})
    return result


def tokenizer(rng):
    marked = rng.choice([None, None, "normalizer", "metaspace"])
    tokens, merges = vocabulary(rng, marked)
    unknown = rng.choice([None, None, "<unk>", "a"])
    if unknown and unknown not in tokens:
        tokens.append(unknown)
    model = {
        "type": "BPE", "dropout": None, "unk_token": unknown, "continuing_subword_prefix": None,
        "end_of_word_suffix": None, "fuse_unk": rng.random() < 0.5,
        "byte_fallback": bool(marked) and "<0x" in "".join(tokens),
        "ignore_merges": rng.random() < 0.4,
        "vocab": {token: id_ for id_, token in enumerate(tokens)},
        "merges": [list(merge) for merge in merges],
    }
    if rng.random() < 0.3:
        model["merges"] = ["#version: 0.2"] + [" ".join(merge) for merge in merges]
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": added_tokens(rng, tokens), "normalizer": normalizer(rng, marked),
        "pre_tokenizer": pre_tokenizer(rng, marked), "post_processor": None,
        "decoder": decoder(rng, marked), "model": model,
    }


def text(rng):
    pieces = PIECES if rng.random() < 0.5 else some(rng, PIECES, 2)
    return "".join(rng.choice(pieces) for _ in range(rng.randint(1, rng.choice([4, 12, 40]))))


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--count", type=int, default=500)
    arguments.add_argument("--texts", type=int, default=8)
    options = arguments.parse_args()
    rng = random.Random(options.seed)
    made = 0
    while made < options.count:
        data = tokenizer(rng)
        try:
            reference = Tokenizer.from_str(json.dumps(data))
        except Exception as error:  # Refused by tokenizers.
            print(error, file=sys.stderr)
            continue
        # Of added tokens with one normalised text tokenizers finds any, and one that becomes
        # nothing it finds between all letters, and stops with a panic inside a letter.
        if reference.normalizer is not None:
            found = [token["content"] for token in data["added_tokens"] if token["normalized"]]
            found = [reference.normalizer.normalize_str(content) for content in found]
            if "" in found or len(set(found)) < len(found):
                continue
        cases = []
        for _ in range(options.texts):
            line = text(rng)
            try:
                ids = reference.encode(line, add_special_tokens=False).ids
            except BaseException:  # A panic, where flags of tokens next to each other overlap.
                continue
            decoded = reference.decode(ids, skip_special_tokens=False)
            cases.append({"text": line, "ids": ids, "decoded": decoded})
        line = {"json": data, "cases": cases}
        print(json.dumps(line, ensure_ascii=False, separators=(",", ":")))
        made += 1


if __name__ == "__main__":
    main()
