#!/usr/bin/env python3
"""Random small texts, and the merges that Hugging Face's trainer learns from them.

    pip install tokenizers
    python3 Tests/Differential/bpe_trainer.py --seed 1 --count 2000 > merges.jsonl
    BITNET_MERGE_CASES=$PWD/merges.jsonl swift test --filter BytePairTrainerDifferentialTests

Every line has "documents", "size", "minimum", "special", and what came out: "merges", and the "ids"
of every document. With a seed the output is the same each time.

Every text is trained on twice, as threads and hash tables there have an order of their own; a text
with two results would be left out and counted, but none has been found. `--check FOLDER TEXT` trains on
the documents of a text file instead, and compares the folder's tokenizer.json and tokens.safetensors.
"""

import argparse
import json
import os
import random
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: E402

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
SEPARATOR = "<|endoftext|>"
WORDS = ("the a she he Lily Tom dog cat was went said saw happy little big tree park play ran run "
         "running played banana mississippi aaaa abab can't She'll 12 2024 7 naïve café 日本語 日本 "
         "über ﬁn \u00a0 🙂 🙂🙂 ... -- ---- ------ ==== <|x|> \t {} {{}} \"Oh!\" e\u0301").split(" ")


def train(documents, size, minimum, special):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, min_frequency=minimum, special_tokens=special, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(documents, trainer)
    return tokenizer


def merges(tokenizer):
    found = json.loads(tokenizer.to_str())["model"]["merges"]
    return [pair if isinstance(pair, list) else pair.split(" ") for pair in found]


def text(rng):
    """Sentences, runs of a few letters, or runs of few symbols, which merge in many ways."""
    kind = rng.random()
    if kind < 0.3:
        return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 60)))
    if kind < 0.6:
        # Long words of repeated pieces, in which tokens are made in several ways, and come up again.
        pieces = ["".join(rng.choice("ab") for _ in range(rng.randint(1, 6))) for _ in range(3)]
        return " ".join(
            "".join(rng.choice(pieces) * rng.randint(1, 9) for _ in range(rng.randint(1, 12)))
            for _ in range(rng.randint(1, 8)))
    letters = rng.choice(["ab", "abc", "a", "-=", "-", " \n", "aé", "日本", "xyXY"])
    parts = []
    for _ in range(rng.randint(1, 25)):
        parts.append("".join(rng.choice(letters) for _ in range(rng.randint(1, 30))))
        parts.append(rng.choice([" ", "", "\n", "\r\n", "  ", "!"]))
    return "".join(parts)


def case(rng):
    documents = [d for d in (text(rng) for _ in range(rng.randint(1, 6))) if d]
    if rng.random() < 0.3:
        documents = documents + [d for d in documents if rng.random() < 0.5]
    special = rng.choice([["<|end|>"], ["<s>", "</s>"], ["<|end|>"], ["<|end|>", "ab", "the", "Ġt"],
                          ["</s>", "a"]])
    size = 256 + len(special) + rng.choice([0, 1, 3, 10, 30, 100, 400, 2000])
    minimum = rng.choice([0, 0, 1, 2, 3, 10])
    return {"documents": documents or ["x"], "size": size, "minimum": minimum, "special": special}


def random_cases(seed, count):
    rng = random.Random(seed)
    unsteady = 0
    for _ in range(count):
        found = case(rng)
        trained = [train(**found) for _ in range(2)]
        if merges(trained[1]) != merges(trained[0]):
            unsteady += 1
            continue
        found["merges"] = merges(trained[0])
        # What becomes a special token when it is written out is not compared.
        plain = [d for d in found["documents"] if not any(s in d for s in found["special"])]
        found["ids"] = {d: trained[0].encode(d, add_special_tokens=False).ids for d in plain}
        print(json.dumps(found, ensure_ascii=True))
    print(f"{unsteady} of {count} left out: not the same each time", file=sys.stderr)


def documents(path):
    with open(path, newline="", encoding="utf-8") as file:
        parts = file.read().split(SEPARATOR)
    for index, part in enumerate(parts):
        if index > 0:
            part = part.removeprefix("\r\n") if part.startswith("\r\n") else part.removeprefix("\n")
        part = part.removesuffix("\r\n") if part.endswith("\r\n") else part.removesuffix("\n")
        if part:
            yield part


def tokens(path):
    """The ids of a token file."""
    import numpy

    with open(path, "rb") as file:
        data = file.read()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])["tokens"]
    part = data[start + header["data_offsets"][0]:start + header["data_offsets"][1]]
    return numpy.frombuffer(part, {"U16": "<u2", "U32": "<u4"}[header["dtype"]])


def check(folder, path):
    with open(f"{folder}/tokenizer.json", encoding="utf-8") as file:
        ours = json.load(file)
    loaded = Tokenizer.from_file(f"{folder}/tokenizer.json")
    with open(f"{folder}/tokenizer_config.json", encoding="utf-8") as file:
        config = json.load(file)
    special = [token["content"] for token in ours["added_tokens"]]
    all_documents = list(documents(path))
    start = time.time()
    theirs = train(all_documents, len(ours["model"]["vocab"]), 0, special)
    print(f"trained on {len(all_documents)} documents in {time.time() - start:.2f} s")
    same = merges(theirs) == ours["model"]["merges"]
    print(f"{len(merges(theirs))} merges: {'the same' if same else 'different'}")
    same_vocabulary = theirs.get_vocab(with_added_tokens=True) == loaded.get_vocab(True)
    print(f"vocabulary: {'the same' if same_vocabulary else 'different'}")
    # The library puts begin of text before a text by itself, the end of a document comes from here.
    end = loaded.token_to_id(config["eos_token"])
    expected = []
    for encoding in loaded.encode_batch(all_documents):
        expected += encoding.ids + [end]
    found = tokens(f"{folder}/tokens.safetensors")
    same_ids = len(found) == len(expected) and (found == expected).all()
    print(f"{len(expected)} tokens: {'the same' if same_ids else 'different'}")
    if not (same and same_vocabulary and same_ids):
        sys.exit(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--check", nargs=2, metavar=("FOLDER", "TEXT"))
    arguments = parser.parse_args()
    if arguments.check:
        check(*arguments.check)
    else:
        random_cases(arguments.seed, arguments.count)


if __name__ == "__main__":
    main()
