//! Test code only: the harness that starts the real programs.
