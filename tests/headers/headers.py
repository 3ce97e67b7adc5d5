#!/usr/bin/env python3
"""Each public header compiles alone, in every standard, by every compiler that is here; and a C++
program links what they declare.

Usage: headers.py ROOT [--link LIBRARY...] HEADER...    Speaks TAP.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

STRICT = ['-Wall', '-Wextra', '-Wpedantic', '-Werror']
COMPILERS = [
    ('c', ['c99', 'c11', 'c17'], ['gcc', 'clang']),
    ('c++', ['c++11', 'c++17'], ['g++', 'clang++']),
]


class Tap:
    def __init__(self):
        self.n = 0

    def result(self, sentence, run):
        self.n += 1
        print(f'{"not ok" if run.returncode else "ok"} {self.n} - {sentence}')
        for line in (run.stdout if run.returncode else '').splitlines():
            print(f'#   {line}')

    def skip(self, sentence, reason):
        self.n += 1
        print(f'ok {self.n} - {sentence} # SKIP {reason}')


def run(args, **more):
    return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)


def bare(root, header):
    """The header's text without comments."""
    with open(os.path.join(root, header), encoding='utf-8') as f:
        return re.sub(r'/\*.*?\*/', ' ', f.read(), flags=re.S)


def initializers(root, header):
    """A variable for each options struct that has an initializer."""
    for macro in re.findall(r'#define (REPLICA_\w+_INIT)\b', bare(root, header)):
        kind = macro[:-len('_INIT')].lower()
        yield f'static const {kind} init_of_{kind} = {macro};\n'


def program(root, headers):
    """C++ that takes the address of everything that is declared."""
    names = []
    text = ''.join(f'#include <{h}>\n' for h in headers)
    for header in headers:
        body = re.sub(r'^[ \t]*#(?:\\\n|[^\n])*', ' ', bare(root, header), flags=re.M)
        names += re.findall(r'REPLICA_API\b[^;{]*?\b(replica_\w+)\s*\(', body)
    text += 'typedef void (*any)();\nextern any all[];\nany all[] = {\n'
    text += ''.join(f'    reinterpret_cast<any>(&{n}),\n' for n in names)
    return text + '};\nint main() { return all[0] ? 0 : 1; }\n'


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('root')
    parser.add_argument('headers', nargs='+')
    parser.add_argument('--link', action='append', default=[])
    args = parser.parse_args()
    flags = [f.replace('-I', '-isystem', 1)
             for f in run(['pkg-config', '--cflags', 'libcjson']).stdout.split()]
    flags += STRICT + ['-I', args.root]
    tap = Tap()

    for header in args.headers:
        text = f'#include <{header}>\n' + ''.join(initializers(args.root, header))
        text += ''.join(f'const void *use_{n}(void);\nconst void *use_{n}(void) '
                        f'{{ return &init_of_{n}; }}\n'
                        for n in re.findall(r'init_of_(\w+) =', text))
        text += 'extern int there;\nint there = 1;\n'
        for language, standards, compilers in COMPILERS:
            for compiler in compilers:
                for std in standards:
                    sentence = f'{header} is {std} for {compiler}'
                    if not shutil.which(compiler):
                        tap.skip(sentence, f'no {compiler}')
                        continue
                    tap.result(sentence, run([compiler, f'-std={std}', '-x', language, *flags,
                                              '-fsyntax-only', '-'], input=text))

    for compiler in ['g++', 'clang++']:
        sentence = f'a C++ program links everything that is declared, by {compiler}'
        if not args.link or not shutil.which(compiler):
            tap.skip(sentence, 'no such compiler, or nothing to link')
            continue
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, 'all.cpp')
            with open(source, 'w', encoding='utf-8') as f:
                f.write(program(args.root, [h for h in args.headers if 'cjson' not in h]))
            folders = sorted({os.path.dirname(os.path.abspath(lib)) for lib in args.link})
            rpath = [f'-Wl,-rpath,{folder}' for folder in folders]
            exe = os.path.join(folder, 'all')
            done = run([compiler, '-std=c++11', *flags, source, '-o', exe, *args.link, *rpath])
            tap.result(sentence, done if done.returncode else run([exe]))
    print(f'1..{tap.n}')


if __name__ == '__main__':
    sys.exit(main())
