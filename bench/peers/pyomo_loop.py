"""Solves scenarios of Wyndor with Pyomo and GLPK in a loop. The argument is the
number of scenarios; prints the seconds they took."""

import sys
import time

import pyomo_wyndor
import wyndor


def main():
    scenarios = int(sys.argv[1])
    pyomo_wyndor.maximum(100)  # warm-up: the first solve loads what all need
    begin = time.perf_counter()
    for scenario in range(scenarios):
        rate = 100 + 900 * scenario / (scenarios - 1)
        wyndor.check(pyomo_wyndor.maximum(rate), rate)
    print(time.perf_counter() - begin)


main()
