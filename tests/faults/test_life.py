#!/usr/bin/env python3
"""Lives at random; $REPLICA_FAULT_SEEDS says how many more than those that failed once."""
import os

from faults import main, test
from life import life

SEEDS = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'seeds.txt')


def seeds():
    with open(SEEDS, encoding='ascii') as f:
        kept = [int(line.split()[0]) for line in f if line.strip() and line[0] != '#']
    first = int(os.environ.get('REPLICA_FAULT_FROM', '1'))
    count = int(os.environ.get('REPLICA_FAULT_SEEDS', '5'))
    return kept + [seed for seed in range(first, first + count) if seed not in kept]


def add(seed):
    def lives(t):
        life(t, seed)
    lives.__name__ = f'nothing_is_lost_or_counted_twice_in_the_life_of_seed_{seed}'
    test(lives)


for each in seeds():
    add(each)
if __name__ == "__main__":
    main()
