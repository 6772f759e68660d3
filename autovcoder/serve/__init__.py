"""A warm server: the model stays loaded, and programs, editors and a browser ask it for checked Verilog."""
