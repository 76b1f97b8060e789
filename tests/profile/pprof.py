# SPDX-License-Identifier: MIT
"""pprof - reads profile.proto, as far as tests look into it"""
import gzip
from collections import namedtuple

Sample = namedtuple("Sample", "functions values thread")  # functions: leaf first, inlined ones too
Profile = namedtuple("Profile", "types samples mappings files comments default period duration_ns")


def varint(data, at):
    number = shift = 0
    while True:
        number |= (data[at] & 0x7F) << shift
        at += 1
        shift += 7
        if data[at - 1] < 0x80:
            return number, at


def signed(number):
    return number - (1 << 64) if number >> 63 else number


def fields(data):
    """(field, number or bytes) of a message."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        assert key & 7 in (0, 2), f"wire type {key & 7}"
        value, at = varint(data, at)
        if key & 7 == 2:
            value, at = data[at:at + value], at + value
        yield key >> 3, value


def numbers(data):
    at, found = 0, []
    while at < len(data):
        number, at = varint(data, at)
        found.append(signed(number))
    return found


def record(data):
    """The fields of a message; of repeated ones, all."""
    found = {}
    for field, value in fields(data):
        found.setdefault(field, []).append(value)
    return found


def first(message, field, default=0):
    return message.get(field, [default])[0]


def parse(body):
    raw = record(gzip.decompress(body))
    text = [string.decode() for string in raw[6]]
    functions = {first(f, 1): (text[first(f, 2)], text[first(f, 4)])
                 for f in map(record, raw.get(5, []))}
    locations = {}
    for location in map(record, raw.get(4, [])):
        lines = [functions[first(record(line), 1)][0] for line in location.get(4, [])]
        locations[first(location, 1)] = lines or [hex(first(location, 3))]
    samples = []
    for sample in map(record, raw.get(2, [])):
        labels = {text[first(label, 1)]: text[first(label, 2)]
                  for label in map(record, sample.get(3, []))}
        stack = [name for one in numbers(first(sample, 1, b"")) for name in locations[one]]
        samples.append(Sample(stack, numbers(first(sample, 2)), labels.get("thread")))
    types = [(text[first(t, 1)], text[first(t, 2)]) for t in map(record, raw[1])]
    mappings = [{"file": text[first(m, 5)], "build_id": text[first(m, 6)],
                 "complete": all(first(m, flag) for flag in (7, 8, 9, 10))}
                for m in map(record, raw.get(3, []))]
    return Profile(types, samples, mappings, {file for _, file in functions.values()},
                   [text[number] for number in raw.get(13, [])], text[first(raw, 14)],
                   first(raw, 12), first(raw, 10))


def functions_of(profile):
    return {name for sample in profile.samples for name in sample.functions}


def total(profile, name):
    index = [kind for kind, _ in profile.types].index(name)
    return sum(sample.values[index] for sample in profile.samples)
