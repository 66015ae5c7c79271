/* Exponential, logarithm and tanh with the same bits on every machine, which a C library does not guarantee. */
#ifndef TEXTCNN_NUMERIC_H
#define TEXTCNN_NUMERIC_H

/* e to the power x, within 2 units of the last place; x above 709 gives infinity, below -745 zero, NaN gives NaN. */
double tc_exp(double x);

/* Natural logarithm, within 2 units of the last place; 0 gives -infinity, a negative number or NaN gives NaN. */
double tc_log(double x);

/* Hyperbolic tangent within 1e-13; NaN gives NaN. textcnn.core.lookup_numpy.hyperbolic_tangent is its twin. */
double tc_tanh(double x);

#endif
