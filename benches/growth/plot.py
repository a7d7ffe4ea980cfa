"""Draws the lines that `growth.rs` prints, given on standard input, as a picture: the
medians of the CPU time of each kind of call, and of the two engines beside it.

`cargo bench --bench growth -- 1000000 | python benches/growth/plot.py FILE`, with
matplotlib installed."""
import json
import sys
from collections import defaultdict

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plot

SHOWN = {
    "sqlite-vec by hand": ("sqlite-vec", "0.6"),
    "faiss, all vectors in memory": ("faiss, flat, in memory", "0.4"),
    "hybrid": ("memory_search", "tab:blue"),
    "filter: tag, 50 %": ("of a tag that half have", "tab:cyan"),
    "filter: category, 5 %": ("of a category with 5 %", "tab:green"),
    "filter: tag, .1 %": ("of a tag with .1 %", "tab:olive"),
    "list: tag, .1 %": ("the newest of that tag", "tab:orange"),
    "list: newest": ("the newest", "tab:red"),
    "status": ("mimo_status", "tab:purple"),
}

lines = defaultdict(list)
for text in sys.stdin:
    if text.startswith("{"):
        figure = json.loads(text)
        if figure["what"] in SHOWN:
            median = float(figure["figure"].split()[0])
            if median > 0:
                lines[figure["what"]].append((figure["memories"], median))

plot.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "growth", "font.family": "sans-serif"})
figure, axes = plot.subplots(figsize=(8, 5), layout="constrained")
for what, (label, colour) in SHOWN.items():
    axes.loglog(*zip(*lines[what]), marker=".", color=colour, label=label)
axes.set(xlabel="memories", ylabel="CPU time of a call, median, ms")
axes.grid(alpha=0.3)
axes.legend(fontsize="small")
figure.savefig(sys.argv[1], metadata={"Date": None})
