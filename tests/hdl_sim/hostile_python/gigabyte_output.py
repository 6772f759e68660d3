# ruff: noqa
# tries: to print a gigabyte
# shown without containment: no
# ends by: output_limit
for _ in range(1 << 10):
    print("x" * (1 << 20))
