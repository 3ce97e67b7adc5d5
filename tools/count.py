#!/usr/bin/env python3
"""Add up what meson's test log says: each line of TAP counts, and a program without TAP as one.

Usage: count.py LOG-FOLDER LOG-BASE    Prints "passed failed skipped", then what failed, with what
the program said about it, and what was skipped.
"""
import glob
import json
import re
import sys

DETAIL = 25  # lines that one failure may take here; the whole of it is in meson's log
LINE = re.compile(r'^(not )?ok\b(?: \d+)?[ -]*([^#\n]*)(?:#\s*(SKIP)\b(.*))?', re.I)
NONE = re.compile(r'^1\.\.0\s*#\s*SKIP\b(.*)', re.I | re.M)  # a plan without tests
GOOD = ('OK', 'EXPECTEDFAIL')


class Sum:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.notes = []

    def add(self, test):
        """One test program, as meson's log has it."""
        name = test['name']
        text = test.get('stdout', '')
        before = self.passed + self.skipped
        failed = self.failed
        room = 0  # for the comments below a line that says "not ok"
        for line in text.splitlines():
            match = LINE.match(line)
            if not match:
                if room > 0 and line.startswith('#'):
                    room -= 1
                    self.notes.append(f'        {line[1:].strip()}')
                continue
            bad, sentence, skip, reason = match.groups()
            room = DETAIL if bad and not skip else 0
            if skip:
                self.skipped += 1
                self.notes.append(f'    skipped: {name}: {reason.strip()}')
            elif bad:
                self.failed += 1
                self.notes.append(f'    FAILED: {name}: {sentence.strip()}')
            else:
                self.passed += 1
        result = test['result']
        if result == 'SKIP' and self.skipped + self.passed == before:
            self.skipped += 1
            reason = NONE.search(text)
            self.notes.append(f'    skipped: {name}' + (f': {reason[1].strip()}' if reason else ''))
        elif result in GOOD and self.skipped + self.passed == before:
            self.passed += 1
        elif result not in GOOD + ('SKIP',):
            if self.failed == failed:
                self.failed += 1  # crashed, or ran out of time, with nothing to show
                self.notes.append(f'    FAILED: {name}: {result}, exit {test.get("returncode")}')
                self.notes += [f'        {line}' for line in text.splitlines()[-DETAIL:]]
            said = test.get('stderr', '').splitlines()
            self.notes += [f'        {line}' for line in said[:DETAIL]]


def main():
    folder, base = sys.argv[1:]
    total = Sum()
    for path in glob.glob(f'{folder}/{base}.json') + glob.glob(f'{folder}/{base}-*.json'):
        with open(path, encoding='utf-8') as f:
            for line in f:
                total.add(json.loads(line))
    print(total.passed, total.failed, total.skipped)
    for note in total.notes:
        print(note)


if __name__ == '__main__':
    main()
