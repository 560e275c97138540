#!/usr/bin/env python3
"""Memory of a training for each parameter: the slope of the peak between two depths of one model.

    python3 Benchmarks/Training/memory.py BITNET [--layers N M] [--hidden N]

BITNET is the program. A step has one window of four tokens, so that activations are next to nothing;
what does not depend on the depth (program, vocabulary, scratch) is in both peaks alike.
"""

import argparse
import json
import os
import subprocess
import tempfile


def peak(program, folder, text, layers, hidden):
    """Parameters, and the most memory in bytes, of a training of two steps."""
    config = {
        "shape": {
            "hiddenSize": hidden, "feedForwardSize": 3 * hidden, "layerCount": layers,
            "headCount": hidden // 64, "keyValueHeadCount": hidden // 128, "vocabularySize": 320,
            "contextLength": 4, "normEpsilon": 1e-5, "ropeBase": 10000,
        },
        "length": {"steps": 2}, "windowsPerStep": 1,
        "schedule": {
            "warmupSteps": 1, "peakRate": 1e-3, "firstStageEnd": 1e-3, "secondStageStart": 1e-3,
            "secondStage": 0.5, "weightDecay": 0.1, "secondStageDecay": 0,
        },
        "beta1": 0.9, "beta2": 0.95, "epsilon": 1e-8, "clipNorm": 1, "seed": 1,
    }
    path = f"{folder}/{layers}.json"
    with open(path, "w") as file:
        json.dump(config, file)
    process = subprocess.Popen(
        [program, "train", "--data", text, "--out", f"{folder}/{layers}", "--config", path,
         "--threads", "1", "--json"], stdout=subprocess.PIPE, text=True)
    start = json.loads(process.stdout.readline())["training"]
    # The samples and exports of the end are no part of a step, but of the peak.
    process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, f"bitnet train ended with {status}"
    return start["parameters"], usage.ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--layers", type=int, nargs=2, default=[4, 16])
    parser.add_argument("--hidden", type=int, default=512)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text = f"{folder}/text.txt"
        with open(text, "w") as file:
            for number in range(200):
                file.write(f"The number {number} follows the number {number - 1}.\n<|endoftext|>\n")
        points = [peak(arguments.program, folder, text, layers, arguments.hidden)
                  for layers in arguments.layers]
    for count, size in points:
        print(f"{count / 1e6:7.2f} M parameters: {size / 1e6:7.1f} MB at most")
    (count, size), (more, larger) = points
    print(f"{(larger - size) / (more - count):.2f} bytes for each parameter")


if __name__ == "__main__":
    main()
