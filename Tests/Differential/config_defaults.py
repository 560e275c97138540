#!/usr/bin/env python3
"""What the configuration classes of transformers make of a config.json in which keys are absent,
null, or in another spelling.

    pip install transformers
    python3 Tests/Differential/config_defaults.py > Tests/BitNetKitTests/Fixtures/config-defaults.jsonl

The first line names the version. Every other line has a "config" and what the class "reads" in it;
null where the class refuses it.
"""

import argparse
import json
import os
import random

os.environ["TRANSFORMERS_VERBOSITY"] = "critical"

import transformers
from transformers import BitNetConfig, LlamaConfig, Qwen3Config
from transformers.models.gemma3.configuration_gemma3 import Gemma3TextConfig

CLASSES = [
    (BitNetConfig, "BitNetForCausalLM", [20, 40], [1280, 2560]),
    (LlamaConfig, "LlamaForCausalLM", [32, 64], [1024, 4096]),
    (Qwen3Config, "Qwen3ForCausalLM", [32, 64], [1024, 4096]),
    (Gemma3TextConfig, "Gemma3ForCausalLM", [4, 8, 16], [1024, 2304]),
]
# Keys that are flags are left out: null and false are one thing to everything but the newest class.
NULLS = [
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "head_dim", "max_position_embeddings", "rms_norm_eps",
    "tie_word_embeddings", "rope_theta", "rope_scaling", "rope_parameters", "eos_token_id",
    "bos_token_id",
]
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}


def rope(rng, gemma):
    """One of the ways in which files have spelled rotary settings."""
    a, b, c = rng.sample([3e4, 2e5, 5e5, 7e5, 1e6, 4e6], 3)
    plain = {"rope_type": "default", "rope_theta": a}
    linear = {"type": "linear", "factor": 1.0}
    ways = [
        {}, {"rope_theta": a}, {"rope_theta": a, "rope_scaling": None}, {"rope_scaling": linear},
        {"rope_scaling": {}, "rope_theta": b}, {"rope_scaling": plain},
        {"rope_scaling": plain, "rope_theta": b},
    ]
    if gemma:
        full, local = {"rope_theta": a}, {"rope_type": "default", "rope_theta": b}
        return rng.choice(ways + [
            {"rope_local_base_freq": b}, {"rope_theta": a, "rope_local_base_freq": b},
            {"rope_parameters": {"full_attention": full, "sliding_attention": local}},
            {"rope_parameters": {"full_attention": full}, "rope_local_base_freq": c},
            {"rope_parameters": {"sliding_attention": local}, "rope_theta": c},
            {"rope_parameters": {"full_attention": {}, "sliding_attention": None}},
            {"rope_parameters": {"full_attention": full}, "rope_scaling": {"rope_theta": c}},
        ])
    return rng.choice(ways + [
        {"rope_parameters": plain}, {"rope_parameters": {"rope_theta": a}, "rope_theta": b},
        {"rope_parameters": linear, "rope_theta": b},
        {"rope_parameters": plain, "rope_scaling": linear, "rope_theta": a},
        {"rope_parameters": plain, "rope_scaling": {"rope_theta": b}}, {"rope_scaling": LLAMA3},
        {"rope_parameters": dict(LLAMA3, rope_theta=a, original_max_position_embeddings=512)},
        {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}},
    ])


def settings(rng, kind, heads, sizes):
    gemma = kind is Gemma3TextConfig
    choices = {
        "vocab_size": [32000, 320], "hidden_size": sizes, "intermediate_size": [512, 4096],
        "num_hidden_layers": [1, 5, 12], "num_attention_heads": heads,
        "num_key_value_heads": [2, 4] + ([] if gemma else [None]),
        "head_dim": [32, 128], "max_position_embeddings": [64, 4096],
        "rms_norm_eps": [1e-5, 1e-3], "tie_word_embeddings": [True, False],
        "eos_token_id": [7, [8, 9], None], "bos_token_id": [3, None],
        ("hidden_activation" if gemma else "hidden_act"): ["silu"],
    }
    if gemma:
        choices["sliding_window"] = [16, 512]
        choices["query_pre_attn_scalar"] = [64, 256]
    config = {key: rng.choice(values) for key, values in choices.items() if rng.random() < 0.4}
    if gemma and rng.random() < 0.3:
        config["sliding_window_pattern"] = rng.choice([1, 2, 3])
    elif gemma and rng.random() < 0.4:
        names = ["full_attention", "sliding_attention"]
        config["layer_types"] = [rng.choice(names) for _ in range(config.get("num_hidden_layers", 26))]
    return config | rope(rng, gemma)


def reads(kind, config):
    try:
        c = kind(**json.loads(json.dumps(config)))
    except Exception:
        return None
    gemma = kind is Gemma3TextConfig
    rope = c.rope_parameters["full_attention"] if gemma else c.rope_parameters
    if rope["rope_theta"] is None:
        return None
    ends = c.eos_token_id if isinstance(c.eos_token_id, list) else [c.eos_token_id]
    known = lambda ids: [id for id in ids if id is not None and id < c.vocab_size]
    result = {
        "vocabularySize": c.vocab_size, "hiddenSize": c.hidden_size,
        "feedForwardSize": c.intermediate_size, "layerCount": c.num_hidden_layers,
        "headCount": c.num_attention_heads, "keyValueHeadCount": c.num_key_value_heads,
        "headDimension": getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads,
        "contextLength": c.max_position_embeddings, "normEpsilon": c.rms_norm_eps,
        "ropeBase": rope["rope_theta"],
        "activation": c.hidden_activation if gemma else c.hidden_act,
        "isTied": c.tie_word_embeddings, "ends": known(ends), "begin": known([c.bos_token_id]),
    }
    if rope["rope_type"] == "llama3":
        result["originalContext"] = rope["original_max_position_embeddings"]
    sliding = [kind == "sliding_attention" for kind in c.layer_types] if gemma else []
    if gemma:
        result["queryScalar"] = c.query_pre_attn_scalar
    if any(sliding):
        result["sliding"] = sliding
        result["window"] = c.sliding_window
        result["slidingBase"] = c.rope_parameters["sliding_attention"]["rope_theta"]
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=20)
    arguments = parser.parse_args()
    print(json.dumps({"transformers": transformers.__version__}))
    rng = random.Random(arguments.seed)
    for kind, name, heads, sizes in CLASSES:
        activation = "hidden_activation" if kind is Gemma3TextConfig else "hidden_act"
        more = ["query_pre_attn_scalar", "layer_types"] if kind is Gemma3TextConfig else []
        configs = [{}] + [{key: None} for key in NULLS + [activation] + more]
        configs += [settings(rng, kind, heads, sizes) for _ in range(arguments.count)]
        for config in configs:
            named = {"architectures": [name], "model_type": kind.model_type} | config
            print(json.dumps({"config": named, "reads": reads(kind, config)}))


main()
