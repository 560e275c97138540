#!/usr/bin/env python3
"""Logits of the folders that a training exports, by transformers and by `bitnet logits`.

    pip install torch transformers accelerate
    python3 Tests/Differential/exported_folder.py BITNET FOLDER... [--sequences N] [--length N]

BITNET is the program, FOLDER a `model` or `masters` folder of `bitnet train`. Sequences are random
tokens. Where an activation lies close to a tie of its int8 rounding, a difference in the last bit of
a float becomes a whole step, and both implementations are right; positions that see no such
activation, in themselves or before them, must agree to 1e-3.
"""

import argparse
import json
import os
import random
import subprocess
import sys

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
# Rounding is compiled otherwise, which takes longer than all the rest.
os.environ["TORCHDYNAMO_DISABLE"] = "1"

import torch
from transformers import BitNetForCausalLM
from transformers.integrations.bitnet import AutoBitLinear

# In steps of int8. Floats of 100 steps have errors of some 1e-5.
CLOSE = 1e-4


class Margins:
    """For every position how close to a tie its activations, and those before it, come."""

    def __init__(self, model):
        self.values = None
        for module in model.modules():
            if isinstance(module, AutoBitLinear):
                module.register_forward_pre_hook(self.see)

    def see(self, module, inputs):
        x = inputs[0][0].double()
        steps = x * 127 / x.abs().amax(-1, keepdim=True)
        margin = (0.5 - (steps - steps.round()).abs()).amin(-1)
        margin = margin.cummin(0).values
        self.values = margin if self.values is None else torch.minimum(self.values, margin)


def compare(program, folder, arguments):
    # A quantised checkpoint may be loaded in another type.
    model = BitNetForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model = torch.nn.Module.float(model).eval()
    margins, generator = Margins(model), random.Random(1)
    largest, largest_clear, clear, close, total = 0.0, 0.0, 0, 0, 0
    for _ in range(arguments.sequences):
        ids = [generator.randrange(model.config.vocab_size) for _ in range(arguments.length)]
        margins.values = None
        with torch.no_grad():
            expected = model(torch.tensor([ids])).logits[0]
        text = subprocess.run(
            [program, "logits", "--model", folder, "--all-positions", "--tokens",
             ",".join(map(str, ids))], check=True, capture_output=True, text=True).stdout
        found = torch.tensor(json.loads(text)["logits"])
        difference = (found - expected).abs().amax(-1)
        is_clear = margins.values > CLOSE
        largest = max(largest, difference.max().item())
        if is_clear.any():
            largest_clear = max(largest_clear, difference[is_clear].max().item())
        clear += int(is_clear.sum())
        close += int((difference < 1e-3).sum())
        total += len(ids)
    print(f"{folder}: {total} positions, {close} within 1e-3, the largest difference {largest:.1e}; "
          f"{clear} positions see no tie, the largest difference there {largest_clear:.1e}")
    return clear > 0 and largest_clear < 1e-3


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--sequences", type=int, default=40)
    parser.add_argument("--length", type=int, default=16)
    arguments = parser.parse_args()
    results = [compare(arguments.program, folder, arguments) for folder in arguments.folders]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
