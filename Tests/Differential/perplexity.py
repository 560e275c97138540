#!/usr/bin/env python3
"""Perplexity of a BitNet GGUF file (I2_S, order A) with transformers, to compare with `bitnet
perplexity --json --kv-cache f32` on the same tokens.

    pip install torch transformers accelerate
    bitnet tokenize --model MODEL.gguf < TEXT > IDS.json
    python3 Tests/Differential/perplexity.py MODEL.gguf IDS.json [--context N] [--stride S] [--no-bos]

The file's matrices are packed as Hugging Face does and loaded by BitNetForCausalLM with its offline
linear layers. Windows are those of transformers' guide to perplexity.

Activations are rounded to int8, so that the last bit of a float decides now and then which way one
goes, and with it a few thousandths of a nat: transformers in float32 differs from transformers in
float64 as much as from any other program. Both are computed. With --bitnet PROGRAM the losses of a
text of one window are compared token by token, as three witnesses: "alone" counts the tokens for
which two agree to 1e-4 nats and the third does not. A fault of one shows as a count near "tokens".
"""

import argparse
import json
import os
import struct
import subprocess
import tempfile

os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import BitNetForCausalLM

PARTS = {
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    "attn_sub_norm": "self_attn.attn_sub_norm", "ffn_sub_norm": "mlp.ffn_sub_norm",
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
DENSE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def trits(data, rows, columns):
    """Codes of an I2_S tensor in order A, and its scale."""
    codes = data[: rows * columns // 4].reshape(-1, 1, 32)
    shifts = np.array([6, 4, 2, 0], dtype=np.uint8).reshape(1, 4, 1)
    flat = ((codes >> shifts) & 3).reshape(rows, columns)
    assert flat.max() <= 2
    return flat, data[rows * columns // 4:][:4].view(np.float32)[0]


def packed(codes):
    """Four rows a byte, as Hugging Face has them."""
    quarters = codes.reshape(4, codes.shape[0] // 4, codes.shape[1])
    return sum(quarters[i] << (2 * i) for i in range(4)).astype(np.uint8)


def directory(path):
    """(name, offset in the file, shape [rows, columns], type id) and metadata, parsed here: the
    package gguf refuses I2_S."""
    data = open(path, "rb").read()
    place = 0

    def take(form):
        nonlocal place
        value = struct.unpack_from("<" + form, data, place)
        place += struct.calcsize("<" + form)
        return value[0]

    def text():
        nonlocal place
        size = take("Q")
        place += size
        return data[place - size:place].decode()

    forms = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q",
             12: "d"}

    def value(kind):
        if kind == 8:
            return text()
        if kind == 9:
            inner, count = take("I"), take("Q")
            return [value(inner) for _ in range(count)]
        return take(forms[kind])

    assert data[:4] == b"GGUF"
    place = 8
    tensor_count, key_count = take("Q"), take("Q")
    keys = {}
    for _ in range(key_count):
        key = text()
        keys[key] = value(take("I"))
    tensors = []
    for _ in range(tensor_count):
        name = text()
        shape = [take("Q") for _ in range(take("I"))][::-1]
        tensors.append((name, shape, take("I"), take("Q")))
    align = keys.get("general.alignment", 32)
    start = (place + align - 1) // align * align
    return keys, [(n, start + o, s, t) for n, s, t, o in tensors], np.frombuffer(data, np.uint8)


def folder(path, target):
    """Writes the GGUF file at `path` as a Hugging Face folder."""
    keys, tensors, data = directory(path)
    arch = keys["general.architecture"]
    state = {}
    for name, offset, shape, kind in tensors:
        stem = name.removesuffix(".weight")
        if stem in DENSE:
            full = DENSE[stem]
        else:
            _, layer, part = stem.split(".")
            full = f"model.layers.{layer}.{PARTS[part]}"
        count = int(np.prod(shape))
        if kind == 36:
            codes, scale = trits(data[offset:offset + count // 4 + 32], *shape)
            state[full + ".weight"] = torch.from_numpy(packed(codes))
            state[full + ".weight_scale"] = torch.tensor([scale])
        else:
            dtype, size = {0: (np.float32, 4), 1: (np.float16, 2)}[kind]
            values = data[offset:offset + count * size].view(dtype).reshape(shape)
            state[full + ".weight"] = torch.from_numpy(values.astype(np.float32))
    get = lambda key, default=None: keys.get(f"{arch}.{key}", default)
    heads = get("attention.head_count")
    config = {
        "architectures": ["BitNetForCausalLM"], "model_type": "bitnet",
        "vocab_size": get("vocab_size"), "hidden_size": get("embedding_length"),
        "intermediate_size": get("feed_forward_length"), "num_hidden_layers": get("block_count"),
        "num_attention_heads": heads, "num_key_value_heads": get("attention.head_count_kv", heads),
        "hidden_act": "relu2", "rms_norm_eps": get("attention.layer_norm_rms_epsilon"),
        "rope_theta": get("rope.freq_base"), "max_position_embeddings": get("context_length"),
        "tie_word_embeddings": "lm_head.weight" not in state, "torch_dtype": "float32",
        "bos_token_id": 0, "eos_token_id": 1,
        "quantization_config": {
            "quant_method": "bitnet", "linear_class": "autobitlinear",
            "quantization_mode": "offline",
        },
    }
    save_file(state, f"{target}/model.safetensors", metadata={"format": "pt"})
    with open(f"{target}/config.json", "w") as file:
        json.dump(config, file)


def losses_of(model, ids, context, stride):
    """-log p of every token that a window counts."""
    losses, end = [], 0
    for begin in range(0, len(ids), stride):
        next_end = min(begin + context, len(ids))
        with torch.no_grad():
            logits = model(ids[None, begin:next_end]).logits[0].double()
        first = max(end, begin + 1)
        probabilities = torch.log_softmax(logits, -1)
        for position in range(first, next_end):
            losses.append(-probabilities[position - 1 - begin, ids[position]].item())
        end = next_end
        if end == len(ids):
            break
    return np.array(losses)


def program_losses(program, model, ids):
    """The same of one window, by `bitnet logits`."""
    run = subprocess.run(
        [program, "logits", "--model", model, "--all-positions",
         "--tokens", ",".join(map(str, ids.tolist()))],
        check=True, capture_output=True)
    logits = torch.tensor(json.loads(run.stdout)["logits"], dtype=torch.float64)
    probabilities = torch.log_softmax(logits, -1)
    return np.array([-probabilities[i, ids[i + 1]].item() for i in range(len(ids) - 1)])


def alone(witnesses):
    """How often each differs from the other two, which agree."""
    counts = {}
    for name, losses in witnesses.items():
        first, second = [other for key, other in witnesses.items() if key != name]
        agree = np.abs(first - second) < 1e-4
        differs = np.minimum(np.abs(losses - first), np.abs(losses - second)) >= 1e-4
        counts[name] = int((agree & differs).sum())
    return counts


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("ids")
    parser.add_argument("--context", type=int)
    parser.add_argument("--stride", type=int)
    parser.add_argument("--no-bos", action="store_true")
    parser.add_argument("--bitnet", help="the program to compare with, token by token")
    arguments = parser.parse_args()
    ids = json.load(open(arguments.ids))
    keys, _, _ = directory(arguments.model)
    # `bitnet tokenize` adds none, and a text that is read has one where the file says so.
    if keys.get("tokenizer.ggml.add_bos_token", False) and not arguments.no_bos:
        ids = [keys["tokenizer.ggml.bos_token_id"]] + ids
    ids = torch.tensor(ids)
    with tempfile.TemporaryDirectory() as target:
        folder(arguments.model, target)
        model = BitNetForCausalLM.from_pretrained(target, dtype=torch.float32)
        # Tensors of a quantised checkpoint may have been loaded in another type.
        model = torch.nn.Module.float(model).eval()
    context = arguments.context or min(model.config.max_position_embeddings, 2048)
    stride = arguments.stride or context
    losses = losses_of(model, ids, context, stride)
    double = losses_of(torch.nn.Module.double(model), ids, context, stride)
    result = {
        "tokens": len(losses), "meanLoss": float(np.mean(losses)),
        "standardError": float(np.std(losses, ddof=1) / len(losses) ** 0.5),
        "meanLossFloat64": float(np.mean(double)),
        "largestDifference": float(np.abs(losses - double).max()),
    }
    if arguments.bitnet:
        assert len(ids) <= context, "more than one window"
        ours = program_losses(arguments.bitnet, arguments.model, ids)
        witnesses = {"float32": losses, "float64": double, "bitnet": ours}
        result["meanLossBitnet"] = float(np.mean(ours))
        result["alone"] = alone(witnesses)
        result["noTwoAgree"] = int(sum(
            min(abs(a - b), abs(a - c), abs(b - c)) >= 1e-4 for a, b, c in zip(losses, double, ours)))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
