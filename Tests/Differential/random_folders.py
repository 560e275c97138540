#!/usr/bin/env python3
"""Random tokenizer folders, and what Hugging Face's transformers makes of texts with them.

    pip install transformers
    python3 Tests/Differential/random_folders.py --seed 1 --count 300 > folders.jsonl
    BITNET_FOLDER_CASES=$PWD/folders.jsonl swift test --filter TokenizerFolderTests

Every line has "vocab", tokens beside the 256 of the byte alphabet, "tokenizer", parts of
tokenizer.json, other files by name, and "cases" of a text and its ids. Folders in which
transformers gives two tokens one id are left out.
"""

import argparse
import json
import os
import random
import tempfile

os.environ["TRANSFORMERS_VERBOSITY"] = "critical"

from random_tokenizers import ALPHABET
from transformers import AutoTokenizer

MARKED = ["<a>", "<b>", "<c>", "<d>", "<e>", "<f>"]
NAMES = MARKED + ["ab", "Ċ", "é", "Ġ"]
SPACES = [" ", "  ", "\n"]


def flags(rng, least=0.0):
    one = lambda: rng.random() < 0.3
    result = {"lstrip": one(), "rstrip": one(), "single_word": one()}
    if rng.random() >= 0.3 * (1 - least):
        result["normalized"] = one()
    if rng.random() >= 0.2 * (1 - least):
        result["special"] = one()
    return result


def named(rng, typed=True):
    text = rng.choice(MARKED)
    if rng.random() < 0.6:
        return text
    token = {"content": text, **flags(rng)}
    token.pop("special", None)
    return {"__type": "AddedToken", **token} if typed else token


def vocabulary(rng):
    vocab, offset = {}, 300 if rng.random() < 0.3 else 0
    extra = rng.sample(MARKED, rng.randint(0, 2)) + (["ab"] if rng.random() < 0.3 else [])
    for text in extra:
        vocab[text] = 256 + offset + len(vocab)
    return vocab


def folder(rng):
    vocab = vocabulary(rng)
    whole = {**{c: i for i, c in enumerate(ALPHABET.values())}, **vocab}
    next_id, added = len(whole), []
    for text in rng.sample(NAMES, rng.randint(0, 4)):
        id_ = whole.get(text)
        if id_ is None:
            id_ = next_id if rng.random() < 0.8 else next_id + rng.randint(1, 30)
            next_id = max(next_id + 1, id_ + 1)
        added.append({"id": id_, "content": text, **flags(rng, least=1)})
    fresh = [t for t in MARKED if t not in whole and all(a["content"] != t for a in added)]
    config = {"tokenizer_class": "PreTrainedTokenizerFast"}
    if rng.random() < 0.5:
        decoder = {str(a["id"]): {"content": a["content"], **flags(rng)}
                   for a in added if rng.random() < 0.8}
        for text in rng.sample(fresh, min(len(fresh), rng.randint(0, 2))):
            decoder[str(next_id)] = {"content": text, **flags(rng)}
            next_id += 1
        config["added_tokens_decoder"] = decoder
    for key in ["bos", "eos", "unk", "pad", "mask", "image"]:
        if rng.random() < 0.3:
            config[key + "_token"] = named(rng)
    if rng.random() < 0.2:
        config["additional_special_tokens"] = rng.sample(MARKED, 2)
    if rng.random() < 0.1:
        config["extra_special_tokens"] = rng.sample(MARKED, 2)
    files = {"tokenizer_config.json": config}
    if rng.random() < 0.3:
        keys = [key for key in ["bos", "eos", "pad"] if rng.random() < 0.4]
        files["special_tokens_map.json"] = {k + "_token": named(rng, False) for k in keys}
    if rng.random() < 0.3:
        files["added_tokens.json"] = {t: next_id + i for i, t in enumerate(fresh[:2])}
    parts = {
        "added_tokens": added,
        "normalizer": rng.choice([None, None, {"type": "Lowercase"}, {"type": "NFC"}]),
    }
    return vocab, whole, parts, files


def whole_file(whole, parts, vocab):
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                  "use_regex": True}
    return {
        "version": "1.0", "truncation": None, "padding": None, "post_processor": None,
        "pre_tokenizer": byte_level, "decoder": byte_level, **parts,
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": whole, "merges": [["a", "b"]] if "ab" in vocab else []},
    }


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--count", type=int, default=100)
    options = arguments.parse_args()
    rng = random.Random(options.seed)
    made = 0
    while made < options.count:
        vocab, whole, parts, files = folder(rng)
        texts = ["".join(rng.choice(NAMES + SPACES + ["x", "<", "a"]) for _ in range(12))
                 for _ in range(4)]
        with tempfile.TemporaryDirectory() as path:
            contents = {"tokenizer.json": whole_file(whole, parts, vocab), **files}
            for name, content in contents.items():
                with open(os.path.join(path, name), "w") as file:
                    json.dump(content, file)
            tokenizer = AutoTokenizer.from_pretrained(path)
        table = tokenizer.get_vocab()
        if len(set(table.values())) < len(table):
            continue
        cases = [{"text": text, "ids": tokenizer(text, add_special_tokens=False).input_ids}
                 for text in texts]
        line = {"vocab": vocab, "tokenizer": parts, **files, "cases": cases}
        line["eos"] = tokenizer.eos_token_id
        print(json.dumps(line, ensure_ascii=False, separators=(",", ":")))
        made += 1


if __name__ == "__main__":
    main()
