"""Tokens a second of a training step: bitnet train beside PyTorch eager on the same model.

    python compare_torch.py --bitnet .build/release/bitnet --tokenizer DIR --data FILE

Both train the shape `small` (5.25 M parameters, context 256) on steps of 16 windows, AdamW, clipping;
PyTorch 4 windows at a time, as bitnet does, and all 16 at once, whichever is faster. They run in
turn, so that a machine with other work is unfair to neither; the figures are medians of all steps.
Needs torch.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time

import torch
import torch.nn.functional as F

HIDDEN, INNER, LAYERS, HEADS, GROUPS, VOCABULARY, CONTEXT = 256, 768, 6, 4, 2, 2048, 256
SIZE = HIDDEN // HEADS


def rounded_weight(w):
    scale = 1 / w.abs().mean().clamp(min=1e-5)
    return w + ((w * scale).round().clamp(-1, 1) / scale - w).detach()


def rounded_input(x):
    scale = 127 / x.abs().amax(-1, keepdim=True).clamp(min=1e-5)
    return x + ((x * scale).round().clamp(-128, 127) / scale - x).detach()


class Linear(torch.nn.Linear):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs, bias=False)

    def forward(self, x):
        return F.linear(rounded_input(x), rounded_weight(self.weight))


class Norm(torch.nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(size))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k = Linear(HIDDEN, HIDDEN), Linear(HIDDEN, GROUPS * SIZE)
        self.v, self.o = Linear(HIDDEN, GROUPS * SIZE), Linear(HIDDEN, HIDDEN)
        self.gate, self.up = Linear(HIDDEN, INNER), Linear(HIDDEN, INNER)
        self.down = Linear(INNER, HIDDEN)
        self.norms = torch.nn.ModuleList([Norm(HIDDEN), Norm(HIDDEN), Norm(HIDDEN), Norm(INNER)])

    def forward(self, x, cos, sin):
        batch, length, _ = x.shape
        n = self.norms[0](x)
        q = rotate(self.q(n).view(batch, length, HEADS, SIZE).transpose(1, 2), cos, sin)
        k = rotate(self.k(n).view(batch, length, GROUPS, SIZE).transpose(1, 2), cos, sin)
        v = self.v(n).view(batch, length, GROUPS, SIZE).transpose(1, 2)
        k, v = (t.repeat_interleave(HEADS // GROUPS, 1) for t in (k, v))
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(self.norms[1](a.transpose(1, 2).reshape(batch, length, HIDDEN)))
        n = self.norms[2](x)
        return x + self.down(self.norms[3](F.relu(self.gate(n)).square() * self.up(n)))


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(VOCABULARY, HIDDEN)
        self.blocks = torch.nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = Norm(HIDDEN)
        rates = 1 / 10000 ** (torch.arange(0, SIZE, 2) / SIZE)
        angles = torch.outer(torch.arange(CONTEXT).float(), rates)
        self.register_buffer("cos", torch.cat((angles, angles), -1).cos())
        self.register_buffer("sin", torch.cat((angles, angles), -1).sin())
        for p in self.parameters():
            if p.dim() == 2:
                torch.nn.init.normal_(p, std=0.02)

    def forward(self, tokens):
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        return F.linear(self.norm(x), self.embedding.weight)


def torch_steps(count, windows, at_once, bf16):
    model = Model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1)
    rates = []
    for step in range(count + 1):
        tokens = torch.randint(VOCABULARY, (windows, CONTEXT + 1))
        start = time.perf_counter()
        for part in tokens.split(at_once):
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                logits = model(part[:, :-1])
            loss = F.cross_entropy(logits.float().flatten(0, 1), part[:, 1:].flatten())
            (loss * len(part) / windows).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step > 0:
            rates.append(windows * CONTEXT / (time.perf_counter() - start))
    return rates


def bitnet_steps(count, options):
    with tempfile.TemporaryDirectory() as folder:
        output = subprocess.run(
            [options.bitnet, "train", "--data", options.data, "--out", folder, "--config", "small",
             "--steps", str(count + 1), "--tokenizer", options.tokenizer, "--json", "--threads",
             str(options.threads)],
            check=True, capture_output=True, text=True).stdout
    events = [json.loads(line) for line in output.splitlines()]
    steps = [event["step"] for event in events if "step" in event][1:]
    return [step["tokens"] / step["seconds"] for step in steps]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bitnet", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rates = {"bitnet": [], "torch float32, 4 at once": [], "torch float32": [], "torch bf16": []}
    for _ in range(options.rounds):
        rates["bitnet"] += bitnet_steps(options.steps, options)
        rates["torch float32, 4 at once"] += torch_steps(options.steps, 16, 4, False)
        rates["torch float32"] += torch_steps(options.steps, 16, 16, False)
        rates["torch bf16"] += torch_steps(options.steps, 16, 16, True)
    ours = statistics.median(rates["bitnet"])
    print(f"torch {torch.__version__}, {options.threads} threads, load {os.getloadavg()[0]:.1f}")
    for name, values in rates.items():
        median = statistics.median(values)
        print(f"{name:26} {median:8.0f} tokens/s ({min(values):.0f} - {max(values):.0f})"
              f"  bitnet x {ours / median:.2f}")


if __name__ == "__main__":
    main()
