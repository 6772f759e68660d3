# ruff: noqa
# tries: to crash the interpreter
# shown without containment: no
# ends by: signal
import ctypes

ctypes.string_at(0)
