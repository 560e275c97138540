#!/usr/bin/env python3
"""What transformers computes for the sample model, for SampleModelTests: logits after three prompts,
and 160 greedy tokens after each with the lead of the best logit.

    pip install torch transformers accelerate
    python3 Tests/Differential/sample_model.py > Tests/BitNetKitTests/Fixtures/sample-model.json

The packaged file goes into BitNetForCausalLM as perplexity.py does it, in float32.
"""

import json
import pathlib
import tempfile

import torch
from transformers import BitNetForCausalLM
from perplexity import directory, folder

ROOT = pathlib.Path(__file__).parents[2]
MODEL = ROOT / "Sources/BitNetSampleModel/Resources/stories.gguf"
PROMPTS = ["Once upon a time", "One day, a little boy named Tim went to the park.",
           "Lily was sad because"]
RESPONSE = 160


def tokenizer():
    """The file's tokenizer as Hugging Face's, to take nothing from the package under test."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
    keys, _, _ = directory(MODEL)
    tokens = keys["tokenizer.ggml.tokens"]
    merges = [tuple(pair.split(" ")) for pair in keys["tokenizer.ggml.merges"]]
    special = {i for i, kind in enumerate(keys["tokenizer.ggml.token_type"]) if kind == 3}
    result = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    llama3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
              r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    assert keys["tokenizer.ggml.pre"] == "smaug-bpe"  # llama3's cut, and no merge is ignored
    result.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(llama3), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    result.decoder = decoders.ByteLevel()
    result.add_special_tokens([AddedToken(tokens[i], special=True) for i in sorted(special)])
    return result, keys["tokenizer.ggml.bos_token_id"]


def main():
    with tempfile.TemporaryDirectory() as target:
        folder(MODEL, target)
        model = BitNetForCausalLM.from_pretrained(target, dtype=torch.float32)
        model = torch.nn.Module.float(model).eval()
    encoder, begin = tokenizer()
    sequences, greedy = [], []
    with torch.no_grad():
        for prompt in PROMPTS:
            tokens = [begin] + encoder.encode(prompt).ids
            logits = model(torch.tensor([tokens])).logits[0]
            sequences.append({
                "prompt": prompt, "tokens": tokens,
                "last_logits": [round(value, 6) for value in logits[-1].tolist()]})
            response, margins = [], []
            for _ in range(RESPONSE):
                row = model(torch.tensor([tokens + response])).logits[0, -1]
                best = torch.topk(row, 2)
                response.append(int(best.indices[0]))
                margins.append(round(float(best.values[0] - best.values[1]), 6))
            greedy.append({"prompt": tokens, "greedy": response, "margins": margins})
    print(json.dumps({"sequences": sequences, "greedy": greedy}))


if __name__ == "__main__":
    main()
