#!/usr/bin/env python3
"""Who may include whom, as a test: the floor plan of docs/architecture.md.

Usage: floors.py ROOT    Speaks TAP: a line per folder, one for forgotten files, one for their looks.
"""
import os
import re
import sys

PUBLIC = ['libreplica/export.h', 'libreplica/libreplica.h', 'libreplica/query.h',
          'libreplica/schema.h', 'libreplica/merge.h', 'libreplica/keys.h', 'libreplica/lock.h',
          'libreplica/command.h', 'libreplica/cjson.h',
          'replicator/replicator.h', 'replicator/remote.h']
STORE_PUBLIC = PUBLIC[:8]

# folder -> what it may include of ours (a name that ends in / is a whole folder); the longest
# folder that fits a file counts.
FLOORS = {
    'base/': ['base/'] + STORE_PUBLIC,
    'merge/': ['merge/', 'base/'] + STORE_PUBLIC,
    'schema/': ['schema/', 'merge/rules.h', 'base/'] + STORE_PUBLIC,
    'libreplica/': ['libreplica/', 'schema/', 'merge/', 'base/'],
    'replicator/': ['replicator/', 'base/', 'libreplica/store.h', 'libreplica/conflict.h',
                    'libreplica/replication/range.h'] + STORE_PUBLIC,
    'tools/': ['tools/', 'base/'] + PUBLIC,
    'tools/server/': ['tools/server/', 'base/', 'libreplica/feed.h', 'libreplica/filter.h',
                      'libreplica/locker.h', 'libreplica/master.h', 'libreplica/store.h',
                      'libreplica/replication/range.h', 'replicator/wire.h'] + PUBLIC,
    'examples/': ['examples/'] + PUBLIC,
}

# outside header -> the only files or folders that may include it.
OUTSIDE = [
    (r'(cjson/)?cJSON\.h', ['base/cjson.c', 'libreplica/cjson.h', 'examples/']),
    (r'sqlite3(ext)?\.h', ['libreplica/']),
    (r'pcre2.*\.h', ['schema/pattern.c']),
    (r'idn2\.h', ['schema/format_idn.c']),
    (r'curl/.*', ['replicator/http_link.c', 'tools/cli/ask.c']),
    (r'microhttpd\.h', ['tools/server/']),
    (r'rhonabwy\.h', ['tools/server/jwt.c', 'tools/server/jwt_keys.c']),
    (r'gnutls/.*', ['tools/server/jwt.c', 'tools/server/jwt_keys.c']),
    (r'xxhash\.h', ['libreplica/replication/range.c']),
    (r'zstd(_errors)?\.h', ['replicator/', 'tools/server/']),
    (r'zlib\.h', ['tools/server/']),
]
LIBC = re.compile(r'''((assert|ctype|dirent|errno|fcntl|float|ftw|getopt|inttypes|limits|locale|math
    |netdb|poll|pthread|sched|semaphore|signal|spawn|stdarg|stdatomic|stdbool|stddef|stdint|stdio
    |stdlib|stdnoreturn|string|strings|termios|time|unistd)\.h|(arpa|linux|net|netinet|sys)/.*)''', re.X)
EXEMPT = {'libreplica/cjson.h'}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
COLUMNS = 100
BUILT_BY_OPTION = {'base/os_linux.c', 'base/os_posix.c', 'base/os_network_linux.c',
                   'base/os_network_posix.c'}


def covers(allowed, name):
    return any(name.startswith(a) if a.endswith('/') else name == a for a in allowed)


def sources(root, folder):
    for path, folders, names in os.walk(os.path.join(root, folder)):
        for name in sorted(names):
            if name.endswith(('.c', '.h')):
                yield os.path.relpath(os.path.join(path, name), root).replace(os.sep, '/')


def complaints(root, name, floor):
    with open(os.path.join(root, name), encoding='utf-8') as f:
        text = f.read()
    for match in INCLUDE.finditer(text):
        kind, header = match.groups()
        line = text.count('\n', 0, match.start(2)) + 1
        if os.path.exists(os.path.join(root, header)):
            ok = covers(FLOORS[floor], header)
        elif kind == '"':
            ok = False  # every include of ours is "folder/file.h"
        else:
            homes = [h for pattern, h in OUTSIDE if re.fullmatch(pattern, header)]
            ok = covers(homes[0], name) if homes else LIBC.fullmatch(header)
        if not ok:
            yield f'{name}:{line} may not include {header}'


def check_floor(root, floor):
    for name in sources(root, floor):
        home = max((f for f in FLOORS if name.startswith(f)), key=len)
        if home == floor and name not in EXEMPT:
            yield from complaints(root, name, floor)


def check_lists(root):
    """A file that no list names is not built, and nobody notices."""
    for floor in FLOORS:
        for name in sources(root, floor):
            folder, base = os.path.split(name)
            if not name.endswith('.c') or name in BUILT_BY_OPTION:
                continue
            while folder and not os.path.exists(os.path.join(root, folder, 'meson.build')):
                folder = os.path.dirname(folder)
            with open(os.path.join(root, folder, 'meson.build'), encoding='utf-8') as f:
                text = f.read()
            inner = os.path.relpath(name, folder)
            if f"'{inner}'" not in text and f"'{inner[:-2]}'" not in text:
                yield f'{name} is in no list of {folder}/meson.build'


def check_looks(root):
    for folder in [*FLOORS, 'tests/']:
        for name in sources(root, folder):
            with open(os.path.join(root, name), encoding='utf-8', newline='') as f:
                lines = f.read().split('\n')
            if lines[-1] or lines[-2:-1] == ['']:
                yield f'{name} does not end with one newline'
            for n, line in enumerate(lines, 1):
                if len(line) > COLUMNS:
                    yield f'{name}:{n} has {len(line)} columns, more than {COLUMNS}'
                if '\t' in line or line != line.rstrip():
                    yield f'{name}:{n} has a tab, or blanks at its end'
                if re.search(r'\b(TODO|FIXME|XXX)\b', line):
                    yield f'{name}:{n} puts something off; plans are in issues'


def main():
    root = sys.argv[1]
    tests = [(f'{floor} includes downwards only', check_floor(root, floor)) for floor in FLOORS]
    tests.append(('every source file is built', check_lists(root)))
    tests.append(('every source file looks like the others', check_looks(root)))
    print(f'1..{len(tests)}')
    for n, (sentence, found) in enumerate(tests, 1):
        found = sorted(set(found))
        print(f'{"not ok" if found else "ok"} {n} - {sentence}')
        for text in found:
            print(f'#   {text}')


if __name__ == '__main__':
    main()
