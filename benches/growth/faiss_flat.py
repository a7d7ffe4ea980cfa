"""An exact search of faiss over the vectors of a database of memories, on one thread:
the median and the 99th percentile of its CPU time, in milliseconds."""
import sqlite3
import sys
import time

import faiss
import numpy

faiss.omp_set_num_threads(1)
database, rounds = sys.argv[1], int(sys.argv[2])
rows = sqlite3.connect(database).execute("SELECT vector FROM memory_vector")
rows = [numpy.frombuffer(row[0], dtype="float32") for row in rows]
vectors = numpy.stack(rows)
index = faiss.IndexFlatIP(vectors.shape[1])
index.add(vectors)
times = []
for probe in vectors[:: max(1, len(vectors) // rounds)][:rounds]:
    start = time.process_time()
    index.search(probe.reshape(1, -1), 10)
    times.append((time.process_time() - start) * 1e3)
times.sort()
print(f"{times[len(times) // 2]:.2f} ({times[(len(times) - 1) * 99 // 100]:.2f})")
