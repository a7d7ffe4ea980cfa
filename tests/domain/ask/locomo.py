#!/usr/bin/env python3
"""How often `ask_mimo` cites the evidence of a question, beside `memory_search`.

usage: tests/domain/ask/locomo.py FOLDER [COMMAND ...]

FOLDER holds conversations as JSON files: {"turns": [{"id", "day", "text"}],
"questions": [{"text", "evidence": [turn ids]}]} (LoCoMo reduced to these; its licence
keeps it out of this repository). COMMAND starts the server (target/release/mimo).
Each conversation gets a server on an empty data folder, its turns one memory each;
each question is put to memory_search (10 results) and to ask_mimo (all defaults).
Printed as one JSON line: the share of a question's evidence among the ten results,
among what ask_mimo shows of memories, and among what it cites; the mean reciprocal
rank of the first of it; how many memories ask_mimo shows and cites; both times as a
client sees them.
"""
import json, os, pathlib, statistics, subprocess, sys, tempfile, time

BATCH = 100


class Mimo:
    """A server over stdio, asked one thing at a time."""

    def __init__(self, command, folder):
        environment = {**os.environ, "MIMO_DATA_DIR": folder, "MIMO_CONFIG_DIR": folder}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, env=environment)
        self.asked = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(timeout=60)

    def call(self, tool, **arguments):
        """The document that the tool answers with, and the milliseconds it took."""
        self.asked += 1
        call = {"jsonrpc": "2.0", "id": self.asked, "method": "tools/call",
                "params": {"name": tool, "arguments": arguments}}
        began = time.perf_counter()
        self.process.stdin.write(json.dumps(call).encode() + b"\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            took = (time.perf_counter() - began) * 1000
            reply = json.loads(line)
            if reply.get("id") != self.asked:
                continue
            if "error" in reply or reply["result"].get("isError"):
                sys.exit(f"{tool}: {reply}")
            return json.loads(reply["result"]["content"][0]["text"]), took
        sys.exit(f"{tool}: the server ended")


def remember(mimo, turns):
    """Stores the turns; which of them each memory holds."""
    held = {}
    for start in range(0, len(turns), BATCH):
        batch = turns[start:start + BATCH]
        stored, _ = mimo.call("memory_store", memories=[
            {"content": turn["text"], "category": "observation"} for turn in batch])
        for turn, outcome in zip(batch, stored["results"], strict=True):
            held.setdefault(outcome["id"], set()).add(turn["id"])
    return held


def measure(mimo, held, question):
    """One row of figures."""
    evidence = set(question["evidence"])
    found = lambda ids: len(evidence & set().union(*(held.get(id, set()) for id in ids))) / len(evidence)
    first = lambda ids: next((1 / n for n, id in enumerate(ids, 1) if held.get(id, set()) & evidence), 0)
    page, search_ms = mimo.call("memory_search", query=question["text"], limit=10, threshold=0,
                                max_tokens=100_000)
    answer, ask_ms = mimo.call("ask_mimo", query=question["text"], detail="full")
    shown = [row["id"] for row in answer["results"]["episodic"]]
    cited = [citation.split(":") for citation in answer["synthesis"]["citations"]]
    cited = [int(id) for store, id in cited if store == "memory"]
    best = [row["id"] for row in page["items"]]
    return {"search": found(best), "shown": found(shown), "cited": found(cited),
            "search_first": first(best), "cited_first": first(cited), "memories_shown": len(shown), "memories_cited": len(cited),
            "search_ms": search_ms, "ask_ms": ask_ms}


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    command = sys.argv[2:] or ["target/release/mimo"]
    rows = []
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.json")):
        conversation = json.loads(path.read_text())
        with tempfile.TemporaryDirectory() as folder, Mimo(command, folder) as mimo:
            held = remember(mimo, conversation["turns"])
            rows += [measure(mimo, held, question) for question in conversation["questions"]]
    column = lambda name: [row[name] for row in rows]
    summary = {"questions": len(rows)}
    for name in ("search", "shown", "cited"):
        summary[f"evidence_{name}"] = round(statistics.mean(column(name)), 4)
    for name in ("search_first", "cited_first"):
        summary[f"{name}_mrr"] = round(statistics.mean(column(name)), 4)
    for name in ("memories_shown", "memories_cited"):
        summary[name] = round(statistics.mean(column(name)), 1)
    for name in ("search_ms", "ask_ms"):
        times = sorted(column(name))
        summary[f"{name}_p50"] = round(statistics.median(times), 2)
        summary[f"{name}_p99"] = round(times[int(len(times) * 0.99)], 2)
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
