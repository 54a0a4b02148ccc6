"""Benchmarks: each prints our figure beside its limit (raw driver, bare gRPC) or a peer from the same run, as a ratio.

`make bench` runs them all; `make bench ARGS=train` runs one. They measure; they never judge.
"""
