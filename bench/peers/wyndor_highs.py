"""Wyndor solved by highspy. One instance of HiGHS serves all jobs of a process: to
make a new one for each costs as much as the solve. Each job passes its whole model,
as it would if all jobs differed."""

import highspy
import numpy as np

_highs = highspy.Highs()
_highs.silent()
# A solve of microseconds gains nothing from threads or presolve.
_highs.setOptionValue("threads", 1)
_highs.setOptionValue("presolve", "off")


def solve(sense, objective, lower, upper, rows_upper, starts, columns, coefficients):
    """Solves a model with rows of the form `sum <= upper`, given as arrays, row by
    row. Returns the objective and the values of the variables."""
    lp = highspy.HighsLp()
    lp.num_col_ = len(objective)
    lp.num_row_ = len(rows_upper)
    lp.sense_ = sense
    lp.col_cost_ = np.array(objective, dtype=np.double)
    lp.col_lower_ = np.array(lower, dtype=np.double)
    lp.col_upper_ = np.array(upper, dtype=np.double)
    lp.row_lower_ = np.full(len(rows_upper), -highspy.kHighsInf)
    lp.row_upper_ = np.array(rows_upper, dtype=np.double)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.array(starts, dtype=np.int32)
    lp.a_matrix_.index_ = np.array(columns, dtype=np.int32)
    lp.a_matrix_.value_ = np.array(coefficients, dtype=np.double)
    _highs.passModel(lp)
    _highs.run()
    if _highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise ValueError(f"not optimal: {_highs.getModelStatus()}")
    values = list(_highs.getSolution().col_value)
    return _highs.getInfo().objective_function_value, values


def maximum(rate):
    """The best profit of Wyndor at this rate."""
    objective, _ = solve(
        highspy.ObjSense.kMaximize,
        [300.0, float(rate)],
        [0.0, 0.0],
        [highspy.kHighsInf] * 2,
        [4.0, 12.0, 18.0],
        [0, 1, 2, 4],
        [0, 1, 0, 1],
        [1.0, 2.0, 3.0, 2.0],
    )
    return objective
