"""What onnxruntime takes for the model of `embedding.rs`, on one thread: one
JSON line a figure. The argument is the ONNX file."""
import json
import resource
import statistics
import sys
import time

import numpy as np
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options)
for tokens in (20, 200):
    ids = np.full((1, tokens), 4542, np.int64)
    feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    feed = {entry.name: feed[entry.name] for entry in session.get_inputs()}
    times = []
    for _ in range(60):
        start = time.process_time()
        session.run(None, feed)
        times.append(time.process_time() - start)
    print(json.dumps({
        "bench": "embedding", "what": "onnxruntime " + onnxruntime.__version__, "tokens": tokens,
        "cpu_milliseconds": round(statistics.median(times) * 1e3, 2),
        "megabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }))
