"""Mutations of files, and a harness that looks what loading them leads to."""

import copy
import json
import pathlib
import random
import resource
import sys

from tinybert_tf.errors import TinyBertError

# A gigabyte beyond what TensorFlow has taken.
_MOST_BYTES = 2**30
# What a file could make the process run.
_FORBIDDEN = ("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.")

JUNK = [
    *[None, True, False, 0, 1, -1, 3, 2**31, 2**40, 2**63, 10**300, -(2**70), 0.5, -0.5],
    *[1e308, float("nan"), float("inf"), "", "x", "12", "\ud800", "\x00", "a" * 5000],
    *[[], {}, [[]], {"a": {}}, [1, 2], {"0": 1}, ["x"], {"content": 7}, "[UNK]", "##s", "é"],
    *["os.system", "__import__", "../../etc/passwd", "Lambda", "gelu", "relu", "float16"],
]


def paths_of(value, path=()):
    """Yields the path of every member of a JSON value, its own last."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from paths_of(value[key], (*path, key))
    yield path


def mutate_json(generator, content):
    """Returns a JSON text that differs from `content` in some places, or is damaged."""
    content = copy.deepcopy(content)
    for _ in range(generator.choice([1, 1, 1, 2, 4])):
        path = generator.choice(list(paths_of(content)))
        if not path:
            content = generator.choice([content] * 20 + JUNK)
            continue
        parent = content
        for key in path[:-1]:
            parent = parent[key]
        kind = generator.random()
        if kind < 0.6:
            parent[path[-1]] = copy.deepcopy(generator.choice(JUNK))
        elif kind < 0.75:
            del parent[path[-1]]
        elif kind < 0.9 and isinstance(parent, dict):
            parent[generator.choice([x for x in JUNK if isinstance(x, str)])] = parent[path[-1]]
        else:
            depth, value = generator.choice([3, 100]), parent[path[-1]]
            for _ in range(depth):
                value = [value]
            parent[path[-1]] = value
    text = json.dumps(content)
    kind = generator.random()
    if kind < 0.04:
        return "[" * generator.choice([10, 100_000]) + text
    if kind < 0.08:
        return text[: generator.randrange(len(text))]
    if kind < 0.12:
        return text.replace("1", "1" * generator.choice([20, 5000]), 1)
    return text


def mutate_bytes(generator, content):
    """Returns bytes of which some are others, left out, doubled or cut off."""
    content = bytearray(content)
    for _ in range(generator.choice([1, 2, 8])):
        start = generator.randrange(len(content) + 1)
        end = min(start + generator.choice([1, 4, 64]), len(content))
        kind = generator.random()
        if kind < 0.5:
            content[start:end] = generator.randbytes(end - start)
        elif kind < 0.7:
            content[start:end] = b""
        elif kind < 0.85:
            content[start:start] = content[start:end]
        else:
            del content[start:]
    return bytes(content)


def mutate_shape(generator, shape):
    shape = list(shape)
    kind = generator.random()
    if kind < 0.3 or not shape:
        return [*shape, generator.choice([0, 1, 2**33])]
    if kind < 0.5:
        return shape[:-1]
    if kind < 0.6:
        return shape[::-1]
    sizes = [0, 1, 3, -1, 2**31, 2**40, 2**62, 2**63]
    shape[generator.randrange(len(shape))] = generator.choice(sizes)
    return shape


class Harness:
    """Runs a loader on mutated files of a directory.

    Args:
        count: int. Mutations.
    """

    def __init__(self, count):
        self.count = count

    def run(self, directory, mutate, load):
        """Asserts that every load ends well or in TinyBertError, in a gigabyte.

        Args:
            directory: path. The files, left as they were.
            mutate: function of a generator that returns new contents by the names of files.
            load: function of the directory.

        Returns:
            How many were loaded and how many refused.
        """
        # As it is, and everything that loading imports.
        load(directory)
        loaded, messages, failures = 0, [], []
        for i in range(self.count):
            generator = random.Random(i)
            contents = mutate(generator)
            before = {name: (directory / name).read_bytes() for name in contents}
            for name, content in contents.items():
                (directory / name).write_bytes(content)
            try:
                with guarded() as events:
                    load(directory)
                loaded += 1
            except TinyBertError as error:
                messages.append(str(error))
            except Exception as error:
                failures.append(f"{i} ({', '.join(contents)}): {type(error).__name__}: {error}")
            failures += [f"{i}: runs {event}" for event in events]
            for name, content in before.items():
                (directory / name).write_bytes(content)
        # Printable, and nobody has to read a novel.
        failures += [ascii(m) for m in messages if not m.isprintable() and "\n" not in m]
        failures += [m[:500] for m in messages if len(m) > 4000]
        shown = "\n".join(ascii(line[:300]) for line in failures[:20])
        assert not failures, f"{len(failures)} of {self.count}:\n{shown}"
        print(f"{directory.name}: {loaded} loaded, {len(messages)} refused")
        return loaded, len(messages)


class guarded:
    """Limits the memory of the process, and notes what is run."""

    events = None

    def __enter__(self):
        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
        self.before = resource.getrlimit(resource.RLIMIT_AS)
        limit = pages * resource.getpagesize() + _MOST_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, self.before[1]))
        guarded.events = []
        return guarded.events

    def __exit__(self, *_):
        guarded.events = None
        resource.setrlimit(resource.RLIMIT_AS, self.before)


def _note(event, arguments):
    if guarded.events is not None and event.startswith(_FORBIDDEN):
        guarded.events.append(event)


sys.addaudithook(_note)
