#!/usr/bin/env python3
"""Install into an empty folder, and build a program outside the tree against what is there.

Usage: install.py BUILD PROGRAM.c CC [MESON...]    Speaks TAP.
"""
import glob
import os
import subprocess
import sys
import tempfile

N = 0


def ok(sentence, good, why=''):
    global N
    N += 1
    print(f'{"ok" if good else "not ok"} {N} - {sentence}')
    for line in ([] if good else why.splitlines()):
        print(f'#   {line}')
    return good


def run(args, **more):
    return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)


def check(build, source, cc, meson, dest):
    done = run([*meson, 'install', '-C', build, '--no-rebuild', '--destdir', dest])
    if not ok('meson install succeeds', done.returncode == 0, done.stdout):
        return
    packages = glob.glob(f'{dest}/**/pkgconfig/libreplicator.pc', recursive=True)
    if not ok('there is a pkg-config file', len(packages) == 1):
        return
    folder = os.path.dirname(packages[0])
    libs = os.path.dirname(folder)
    with open(packages[0], encoding='utf-8') as f:
        prefix = next(line for line in f if line.startswith('prefix=')).strip()[len('prefix='):]
    env = dict(os.environ, PKG_CONFIG_PATH=folder, LD_LIBRARY_PATH=libs)

    done = run(['pkg-config', f'--define-variable=prefix={dest}{prefix}', '--cflags', '--libs',
                'libreplicator'], env=env)
    if not ok('pkg-config gives flags', done.returncode == 0, done.stdout):
        return
    exe = os.path.join(dest, 'program')
    done = run([cc, '-std=c99', '-Wall', '-Wextra', '-Wpedantic', '-Werror', source, '-o', exe,
                *done.stdout.split()], cwd=dest)
    if ok('a program outside the tree builds with them', done.returncode == 0, done.stdout):
        done = run([exe], env=env, cwd=dest)
        ok('and runs', done.returncode == 0, f'exit {done.returncode}\n{done.stdout}')

    headers = {os.path.relpath(h, f'{dest}{prefix}/include')
               for h in glob.glob(f'{dest}{prefix}/include/**/*.h', recursive=True)}
    wanted = {'libreplica/libreplica.h', 'libreplica/schema.h', 'libreplica/query.h',
              'libreplica/merge.h', 'libreplica/keys.h', 'libreplica/lock.h',
              'libreplica/command.h', 'libreplica/export.h', 'libreplica/cjson.h',
              'replicator/replicator.h', 'replicator/remote.h'}
    ok('the public headers are installed, and no other', headers == wanted,
       f'{sorted(headers ^ wanted)}')

    program = f'{dest}{prefix}/bin/replica'
    if os.path.exists(program):
        done = run([program, '--help'], env=env)
        ok('the installed program finds its libraries', done.returncode == 0, done.stdout)
        for what in ['man/man1/replica.1', 'bash-completion/completions/replica']:
            ok(f'{what} is installed', glob.glob(f'{dest}{prefix}/share/{what}*'))


def main():
    build, source, cc, *meson = sys.argv[1:]
    with tempfile.TemporaryDirectory() as dest:
        check(build, os.path.abspath(source), cc, meson or ['meson'], dest)
    print(f'1..{N}')


if __name__ == '__main__':
    main()
