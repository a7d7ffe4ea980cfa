#!/usr/bin/env python3
"""Makes tokens.jsonl beside it: how the reference cuts texts, one [text, ids] a line.

    pip install tokenizers sentencepiece
    python3 fixtures.py e5.model

The pieces and their scores are those of the file that install/models/pack.py makes;
SentencePiece's own rules (nmt_nfkc) normalize the texts, and the unigram model of
`tokenizers` cuts their words.
"""
import json
import random
import struct
import sys
from pathlib import Path

import sentencepiece
from tokenizers import Tokenizer, models

HERE = Path(__file__).resolve().parent
ODD = [
    "", " ", "\n\t", "a", "ａｂｃ １２３", "e\u0301te\u0301", "10～20", "①②③ ㎏ ﬁ", "x\u200by", "x\u200dy",
    "don't — “quote” … ½", "🙂🙂 ok 👩‍👩‍👧", "привет мир, hello", "안녕 hello", "مرحبا 5", "\u0007bell",
    "Donaudampfschifffahrtsgesellschaftskapitän", "foo_bar::<T>() && !x[3]", "C:\\Users\\x\\a.txt",
    "https://example.org/a?b=c&d=%20", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "会议室在三楼，需要提前一天预订。", "印刷機の隣の青いフォルダーにあります", "ﾊﾝｶｸ ｶﾅ", "ß ẞ ſ ŉ ǆ",
]


def pieces(path):
    raw = Path(path).read_bytes()
    length = struct.unpack_from("<I", raw, 12)[0]
    head = json.loads(raw[16 : 16 + length])
    at = -(-(16 + length) // 64) * 64

    def section(length):
        nonlocal at
        out = raw[at : at + length]
        at += -(-length // 64) * 64
        return out

    section(4 * head["slots"])
    count = head["pieces"]
    ends = struct.unpack(f"<{count}I", section(4 * count))
    scores = struct.unpack(f"<{count}f", section(4 * count))
    text = section(head["text_bytes"])
    starts = (0, *ends)
    return [(text[a:b].decode(), score) for a, b, score in zip(starts, ends, scores)]


def main(path):
    tokenizer = Tokenizer(models.Unigram(pieces(path), unk_id=3))
    normalizer = sentencepiece.SentencePieceNormalizer(
        rule_name="nmt_nfkc", add_dummy_prefix=False, escape_whitespaces=False
    )
    notes = json.loads((HERE.parents[1] / "recall" / "notes.json").read_text())
    texts = [memory["text"] for memory in notes["memories"]]
    chance = random.Random(5)
    letters = "aeinrst äéøłñ 0123456789 .,:_-/ 的一是不了 のはをがた アイウ \u00a0\u3000\u200b～"
    texts += ["".join(chance.choices(letters, k=chance.randint(1, 60))) for _ in range(400)]
    with open(HERE / "tokens.jsonl", "w") as out:
        for text in texts + ODD:
            words = normalizer.normalize(text).split()
            ids = [id for word in words for id in tokenizer.encode("▁" + word).ids]
            out.write(json.dumps([text, ids], ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
