#!/usr/bin/env python3
"""What the shared libraries show is what their headers declare, and nothing else.

Usage: symbols.py ROOT NM LIBRARY PUBLIC-HEADER... -- FOLDER...    Speaks TAP.

Public functions are REPLICA_API in the public headers; functions that our own libraries and tools
share are REPLICA_INTERNAL in the headers of the folders.
"""
import glob
import os
import re
import subprocess
import sys


def declared(path, marker):
    with open(path, encoding='utf-8') as f:
        text = f.read()
    text = re.sub(r'/\*.*?\*/|//[^\n]*', ' ', text, flags=re.S)
    text = re.sub(r'^[ \t]*#(?:\\\n|[^\n])*', ' ', text, flags=re.M)
    for match in re.finditer(marker + r'\b([^;{]*)', text):
        name = (re.search(r'\b(replica_\w+)\s*\(', match[1])
                or re.search(r'\(\s*\*\s*(replica_\w+)\s*\)', match[1])
                or re.search(r'\b(replica_\w+)\s*(?:\[[^]]*\]\s*)*$', match[1]))
        if name:
            yield name[1]


def exported(nm, library):
    out = subprocess.run([nm, '-D', '--defined-only', library], check=True, text=True,
                         stdout=subprocess.PIPE).stdout
    return {line.split()[-1] for line in out.splitlines() if line.strip()}


def main():
    root, nm, library = sys.argv[1:4]
    middle = sys.argv.index('--')
    headers = sys.argv[4:middle]
    folders = sys.argv[middle + 1:]

    public = {name for h in headers for name in declared(os.path.join(root, h), 'REPLICA_API')}
    private = {name for folder in folders for h in glob.glob(os.path.join(root, folder, '*.h'))
               for name in declared(h, 'REPLICA_INTERNAL')}
    shown = exported(nm, library)
    tests = [
        ('every declared public function is there', public - shown),
        ('every declared internal function is there', private - shown),
        ('nothing else is shown', shown - public - private),
    ]
    print(f'1..{len(tests)}')
    for n, (sentence, wrong) in enumerate(tests, 1):
        print(f'{"not ok" if wrong else "ok"} {n} - {sentence}')
        for name in sorted(wrong):
            print(f'#   {name}')


if __name__ == '__main__':
    main()
