"""Reads and solves a model file with highspy, with one thread, as a job on the mesh
has. The arguments are the file and a seed; prints the seconds and the objective."""

import sys
import time

import highspy


def main():
    highs = highspy.Highs()
    highs.silent()
    highs.setOptionValue("threads", 1)
    highs.setOptionValue("random_seed", int(sys.argv[2]))
    begin = time.perf_counter()
    if highs.readModel(sys.argv[1]) == highspy.HighsStatus.kError:
        sys.exit(f"cannot read {sys.argv[1]}")
    highs.run()
    seconds = time.perf_counter() - begin
    status = highs.getModelStatus()
    if status != highspy.HighsModelStatus.kOptimal:
        sys.exit(f"not optimal: {status}")
    print(seconds, highs.getInfo().objective_function_value)


main()
