"""The other side of benches/graph.rs: the same triples and the same questions
in pyoxigraph or networkx. Prints one JSON line for each question: the times in
milliseconds and the answers, by which all sides are compared."""

import json
import resource
import sys
import time

ENGINE, TRIPLES, QUESTIONS, DISK = sys.argv[1:5]


def rss_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def triples():
    with open(TRIPLES, encoding="utf-8") as lines:
        for line in lines:
            yield line.rstrip("\n").split("\t")


def timed(ask, instances):
    # Everybody is asked everything once before it counts.
    for instance in instances:
        ask(*instance)
    times, answers = [], []
    for instance in instances:
        start = time.perf_counter()
        answer = ask(*instance)
        times.append((time.perf_counter() - start) * 1e3)
        answers.append(sorted(answer))
    return times, answers


def oxigraph(*place):
    import pyoxigraph as ox

    store = ox.Store(*place)
    iri = lambda name: ox.NamedNode("urn:" + name)
    start = time.perf_counter()
    store.bulk_extend(ox.Quad(iri(s), iri(p), iri(o)) for s, p, o in triples())
    loaded = time.perf_counter() - start

    def select(query):
        rows = store.query(query)
        return [" ".join(value.value[4:] for value in row) for row in rows]

    def hops(depth, both):
        step = lambda a, n, b: (
            f"{{{a} ?p{n} {b}}} UNION {{{b} ?p{n} {a}}}" if both else f"{a} ?p{n} {b} ."
        )

        def ask(start):
            walks = []
            for length in range(1, depth + 1):
                ends = [f"<urn:{start}>"] + [f"?m{n}" for n in range(1, length)] + ["?y"]
                walk = " ".join(step(ends[n], n, ends[n + 1]) for n in range(length))
                walks.append("{" + walk + "}")
            where = " UNION ".join(walks)
            return select(
                f"SELECT DISTINCT ?y WHERE {{ {where} FILTER(?y != <urn:{start}>) }}"
            )

        return ask

    def join(patterns):
        def ask(*constants):
            def term(text):
                if text.startswith("$"):
                    return f"<urn:{constants[int(text[1:])]}>"
                return text if text.startswith("?") else f"<urn:{text}>"

            names = sorted({t for p in patterns for t in p if t.startswith("?")})
            where = " . ".join(" ".join(map(term, pattern)) for pattern in patterns)
            return select(f"SELECT {' '.join(names)} WHERE {{ {where} }}")

        return ask

    return loaded, hops, join


def networkx():
    import networkx as nx

    graph = nx.MultiDiGraph()
    start = time.perf_counter()
    for s, p, o in triples():
        graph.add_edge(s, o, key=p)
    loaded = time.perf_counter() - start
    either = graph.to_undirected(as_view=True)

    def hops(depth, both):
        def ask(start):
            within = nx.single_source_shortest_path_length(
                either if both else graph, start, cutoff=depth
            )
            return [name for name in within if name != start]

        return ask

    def join(patterns):
        """Backtracking over adjacency, in the order the patterns are written."""

        def ask(*constants):
            resolve = lambda t: constants[int(t[1:])] if t.startswith("$") else t
            rows = [{}]
            for s, p, o in patterns:
                s, o, following = resolve(s), resolve(o), []
                for row in rows:
                    a = row.get(s) if s.startswith("?") else s
                    b = row.get(o) if o.startswith("?") else o
                    if a is not None and b is not None:
                        if graph.has_edge(a, b, p):
                            following.append(row)
                    elif a is not None:
                        for end, keys in graph.adj[a].items():
                            if p in keys:
                                following.append({**row, o: end})
                    elif b is not None:
                        for end, keys in graph.pred[b].items():
                            if p in keys:
                                following.append({**row, s: end})
                    else:
                        for a, b, key in graph.edges(keys=True):
                            if key == p:
                                following.append({**row, s: a, o: b})
                rows = following
            return [" ".join(row[name] for name in sorted(row)) for row in rows]

        return ask

    return loaded, hops, join


SIDES = {
    "oxigraph": oxigraph,
    "oxigraph on disk": lambda: oxigraph(DISK),
    "networkx": networkx,
}
loaded, hops, join = SIDES[ENGINE]()
print(json.dumps({"loaded_s": loaded, "rss_mb": rss_mb()}))
for question in json.load(open(QUESTIONS, encoding="utf-8")):
    if "depth" in question:
        ask = hops(question["depth"], question["both"])
    else:
        ask = join(question["patterns"])
    times, answers = timed(ask, question["instances"])
    print(json.dumps({"question": question["name"], "ms": times, "answers": answers}))
print(json.dumps({"rss_mb": rss_mb()}))
