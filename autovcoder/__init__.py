"""AutoVCoder: language models that write correct Verilog."""

__version__ = "0.1.0"
